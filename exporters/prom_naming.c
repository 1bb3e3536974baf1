/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_naming — two keys for one question, the newer one first.
 *
 * Names that are not legal without quotes need readers that nobody can be sure of.
 */
#include "exporters/prom_naming.h"

#include "core/engine/config.h"

/* Order of `strategies`. */
enum strategy {
    STRATEGY_WITH_SUFFIXES,
    STRATEGY_WITHOUT_SUFFIXES,
    STRATEGY_UTF8_WITH_SUFFIXES,
    STRATEGY_NONE,
};

static const char *const strategies[] = {
    [STRATEGY_WITH_SUFFIXES] = "UnderscoreEscapingWithSuffixes",
    [STRATEGY_WITHOUT_SUFFIXES] = "UnderscoreEscapingWithoutSuffixes",
    [STRATEGY_UTF8_WITH_SUFFIXES] = "NoUTF8EscapingWithSuffixes",
    [STRATEGY_NONE] = "NoTranslation",
};

void prom_naming_read(struct config_reader *r, bool *has_suffixes)
{
    config_read_bool(r, "add_metric_suffixes", true, has_suffixes);
    uint32_t strategy = STRATEGY_WITH_SUFFIXES;
    bool is_given = config_read_enum(r, "translation_strategy", CONFIG_WORDS(strategies),
                                     STRATEGY_WITH_SUFFIXES, &strategy);
    if (!is_given) {
        return;
    }
    if (strategy > STRATEGY_WITHOUT_SUFFIXES) {
        config_refuse(r, "translation_strategy", "'%s' is not supported yet", strategies[strategy]);
    }
    *has_suffixes = strategy == STRATEGY_WITH_SUFFIXES;
}
