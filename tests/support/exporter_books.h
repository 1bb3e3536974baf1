/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_books — the book of items out, checked the same way by every test of an exporter.
 */
#pragma once

#include "core/engine/stats.h"

/* Fails the test at hand unless offered = delivered + rejected + dropped + held. */
void assert_books_balance(const struct exporter_stats *stats);
