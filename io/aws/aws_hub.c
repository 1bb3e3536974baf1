/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_hub — found by its loop in a list of the thread's own, which is the loop's thread.
 */
#include "io/aws/aws_hub.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/aws/assumed_role.h"
#include "io/aws/aws_environment.h"
#include "io/aws/credential_chain.h"
#include "io/aws/imds.h"
#include "io/helper.h"
#include "io/http_client.h"
#include "io/loop.h"

enum identity_text {
    IDENTITY_ROLE_ARN,
    IDENTITY_EXTERNAL_ID,
    IDENTITY_SESSION_NAME,
    IDENTITY_TOKEN_FILE,
    IDENTITY_REGION,
    IDENTITY_PROXY_ADDRESS,
    IDENTITY_TEXT_COUNT,
};

struct aws_identity {
    struct aws_identity *next;
    uint32_t user_count;
    char *texts[IDENTITY_TEXT_COUNT]; /* owned; never NULL once made */
    bool insecure_skip_verify;
    struct http_client *client; /* owned; for STS */
    struct credentials credentials;
    struct credential_chain chain; /* without a role, or with a token for it */
    struct aws_environment env;    /* of the chain, where a token of the settings is all it has */
    struct assumed_role role;      /* with a role */
    struct aws_identity *below;    /* acquired; NULL without a role, or with a token for it */
};

struct aws_hub {
    struct aws_hub *next;
    struct loop *loop; /* borrowed */
    uint32_t user_count;
    struct aws_environment env;
    struct helper_port *port;   /* owned */
    struct http_client *client; /* owned; never uses a proxy */
    struct imds imds;
    struct region_discovery regions[2]; /* by is_local_mode */
    struct aws_identity *identities;    /* owned */
};

/*
 * Clients that know nothing of one another must find the same hub, and a loop belongs to its
 * thread: so this is per thread, and the one piece of state here that is not passed.
 */
static _Thread_local struct aws_hub *thread_hubs;

/* --- the hub ---------------------------------------------------------------------------------- */

static void set_up_region(struct aws_hub *hub, bool is_local_mode)
{
    struct region_discovery *d = &hub->regions[is_local_mode];
    *d = (struct region_discovery){
        .loop = hub->loop,
        .port = hub->port,
        .client = hub->client,
        .env = &hub->env,
        .is_local_mode = is_local_mode,
        .imds = &hub->imds,
    };
    region_discovery_init(d);
}

static void hub_free(struct aws_hub *hub)
{
    ASSERT(hub->identities == NULL);
    region_discovery_fini(&hub->regions[false]);
    region_discovery_fini(&hub->regions[true]);
    helper_port_close(hub->port);
    http_client_close(hub->client);
    aws_environment_fini(&hub->env);
    mem_free(hub);
}

static int set_up(struct aws_hub *hub)
{
    static const struct http_client_options direct = {.ignores_proxies = true};
    struct http_client_options options = direct;
    int err = aws_environment_read(&hub->env);
    if (err != 0) {
        return err;
    }
    options.tls.ca_file = aws_hub_ca_file(hub);
    err = http_client_open(hub->loop, &options, &hub->client);
    if (err == 0) {
        err = helper_port_open(hub->loop, &hub->port);
    }
    if (err == 0) {
        err = imds_init(&hub->imds, hub->loop, hub->client, &hub->env);
    }
    if (err == 0) {
        set_up_region(hub, false);
        set_up_region(hub, true);
    }
    return err;
}

int aws_hub_acquire(struct loop *loop, struct aws_hub **out)
{
    for (struct aws_hub *hub = thread_hubs; hub != NULL; hub = hub->next) {
        if (hub->loop == loop) {
            hub->user_count++;
            *out = hub;
            return 0;
        }
    }
    struct aws_hub *hub = mem_alloc(sizeof(*hub));
    if (hub == NULL) {
        return -ENOMEM;
    }
    *hub = (struct aws_hub){.loop = loop, .user_count = 1};
    int err = set_up(hub);
    if (err != 0) {
        hub_free(hub);
        return err;
    }
    hub->next = thread_hubs;
    thread_hubs = hub;
    *out = hub;
    return 0;
}

void aws_hub_release(struct aws_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    ASSERT(hub->user_count > 0);
    hub->user_count--;
    if (hub->user_count > 0) {
        return;
    }
    struct aws_hub **at = &thread_hubs;
    while (*at != NULL && *at != hub) {
        at = &(*at)->next;
    }
    ASSERT(*at == hub);
    *at = hub->next;
    hub_free(hub);
}

struct region_discovery *aws_hub_region(struct aws_hub *hub, bool is_local_mode)
{
    return &hub->regions[is_local_mode];
}

const char *aws_hub_ca_file(const struct aws_hub *hub)
{
    return aws_environment_text(&hub->env, AWS_VARIABLE_CA_BUNDLE);
}

/* --- identities ------------------------------------------------------------------------------- */

static const char *text_of(const struct aws_identity_options *options, enum identity_text which)
{
    const char *texts[IDENTITY_TEXT_COUNT] = {
        [IDENTITY_ROLE_ARN] = options->role_arn,
        [IDENTITY_EXTERNAL_ID] = options->external_id,
        [IDENTITY_SESSION_NAME] = options->session_name,
        [IDENTITY_TOKEN_FILE] = options->web_identity_token_file,
        [IDENTITY_REGION] = options->region,
        [IDENTITY_PROXY_ADDRESS] = options->proxy_address,
    };
    return texts[which] != NULL ? texts[which] : "";
}

/* Where STS is asked does not make the chain's own set another one: its first user decides. */
static bool is_same(const struct aws_identity *identity, const struct aws_identity_options *options)
{
    bool is_equal = identity->insecure_skip_verify == options->insecure_skip_verify;
    bool has_role = identity->texts[IDENTITY_ROLE_ARN][0] != '\0';
    for (size_t i = 0; is_equal && i < IDENTITY_TEXT_COUNT; i++) {
        const char *text = text_of(options, (enum identity_text)i);
        bool counts = has_role || i != IDENTITY_REGION;
        is_equal = !counts || strcmp(identity->texts[i], text) == 0;
    }
    return is_equal;
}

static void identity_free(struct aws_hub *hub, struct aws_identity *identity)
{
    credentials_fini(&identity->credentials);
    credential_chain_fini(&identity->chain);
    assumed_role_fini(&identity->role);
    http_client_close(identity->client);
    aws_environment_fini(&identity->env);
    aws_hub_identity_release(hub, identity->below);
    for (size_t i = 0; i < IDENTITY_TEXT_COUNT; i++) {
        mem_free(identity->texts[i]);
    }
    mem_free(identity);
}

static int copy_texts(struct aws_identity *identity, const struct aws_identity_options *options)
{
    identity->insecure_skip_verify = options->insecure_skip_verify;
    for (size_t i = 0; i < IDENTITY_TEXT_COUNT; i++) {
        const char *text = text_of(options, (enum identity_text)i);
        identity->texts[i] = mem_copy_text(text, strlen(text));
        if (identity->texts[i] == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int open_client(struct aws_hub *hub, struct aws_identity *identity)
{
    const struct http_client_options options = {
        .tls = {.ca_file = aws_hub_ca_file(hub),
                .insecure_skip_verify = identity->insecure_skip_verify},
        .proxy_url = identity->texts[IDENTITY_PROXY_ADDRESS],
    };
    return http_client_open(hub->loop, &options, &identity->client);
}

/* A region that was set, but is none, is refused before anything is asked. */
static int read_region(const struct aws_identity *identity, struct aws_region *out)
{
    const struct aws_region_texts texts = {.setting =
                                               slice_of_text(identity->texts[IDENTITY_REGION])};
    int err = aws_region_choose(&texts, out);
    return err == FAULT_MALFORMED ? FAULT_CONFIG : 0;
}

/* An environment in which a role and the file with its token are all that is configured. */
static int make_token_environment(struct aws_identity *identity)
{
    static const struct {
        enum aws_variable variable;
        enum identity_text text;
    } rows[] = {
        {AWS_VARIABLE_WEB_IDENTITY_TOKEN_FILE, IDENTITY_TOKEN_FILE},
        {AWS_VARIABLE_ROLE_ARN, IDENTITY_ROLE_ARN},
        {AWS_VARIABLE_ROLE_SESSION_NAME, IDENTITY_SESSION_NAME},
    };
    int err = 0;
    for (size_t i = 0; err == 0 && i < COUNT_OF(rows); i++) {
        err = aws_environment_set(&identity->env, rows[i].variable, identity->texts[rows[i].text]);
    }
    return err;
}

static int set_up_chain(struct aws_hub *hub, struct aws_identity *identity,
                        const struct aws_region *region)
{
    struct credential_chain *chain = &identity->chain;
    bool has_token = identity->texts[IDENTITY_TOKEN_FILE][0] != '\0';
    const char *name = has_token ? identity->texts[IDENTITY_ROLE_ARN] : "default";
    int env_err = has_token ? make_token_environment(identity) : 0;
    if (env_err != 0) {
        return env_err;
    }
    chain->loop = hub->loop;
    chain->port = hub->port;
    chain->client = hub->client;
    chain->env = has_token ? &identity->env : &hub->env;
    chain->imds = &hub->imds;
    chain->discovery = &hub->regions[false];
    chain->region = *region;
    int err = credential_chain_init(chain, identity->client);
    if (err == 0) {
        credentials_init(&identity->credentials, hub->loop, &chain->source, name, clock_mono_ns());
    }
    return err;
}

static int set_up_role(struct aws_hub *hub, struct aws_identity *identity,
                       const struct aws_region *region)
{
    struct assumed_role *role = &identity->role;
    const struct aws_identity_options below = {
        .proxy_address = identity->texts[IDENTITY_PROXY_ADDRESS],
        .region = identity->texts[IDENTITY_REGION],
        .insecure_skip_verify = identity->insecure_skip_verify,
    };
    int err = aws_hub_identity_acquire(hub, &below, &identity->below);
    if (err != 0) {
        return err;
    }
    role->loop = hub->loop;
    role->below = &identity->below->credentials;
    role->discovery = &hub->regions[false];
    role->region = *region;
    role->role = (struct credential_role){
        .arn = identity->texts[IDENTITY_ROLE_ARN],
        .external_id = identity->texts[IDENTITY_EXTERNAL_ID],
        .session_name = identity->texts[IDENTITY_SESSION_NAME],
    };
    err = assumed_role_init(role, identity->client);
    if (err == 0) {
        credentials_init(&identity->credentials, hub->loop, &role->source,
                         identity->texts[IDENTITY_ROLE_ARN], clock_mono_ns());
    }
    return err;
}

static int identity_new(struct aws_hub *hub, const struct aws_identity_options *options,
                        struct aws_identity **out)
{
    struct aws_region region = {.text = ""};
    struct aws_identity *identity = mem_alloc(sizeof(*identity));
    if (identity == NULL) {
        return -ENOMEM;
    }
    *identity = (struct aws_identity){.user_count = 1};
    int err = copy_texts(identity, options);
    if (err == 0) {
        err = read_region(identity, &region);
    }
    if (err == 0) {
        err = open_client(hub, identity);
    }
    if (err == 0) {
        bool needs_chain = identity->texts[IDENTITY_ROLE_ARN][0] == '\0' ||
                           identity->texts[IDENTITY_TOKEN_FILE][0] != '\0';
        err = needs_chain ? set_up_chain(hub, identity, &region)
                          : set_up_role(hub, identity, &region);
    }
    if (err != 0) {
        identity_free(hub, identity);
        return err;
    }
    *out = identity;
    return 0;
}

int aws_hub_identity_acquire(struct aws_hub *hub, const struct aws_identity_options *options,
                             struct aws_identity **out)
{
    for (struct aws_identity *i = hub->identities; i != NULL; i = i->next) {
        if (is_same(i, options)) {
            i->user_count++;
            *out = i;
            return 0;
        }
    }
    int err = identity_new(hub, options, out);
    if (err == 0) {
        (*out)->next = hub->identities;
        hub->identities = *out;
    }
    return err;
}

void aws_hub_identity_release(struct aws_hub *hub, struct aws_identity *identity)
{
    if (identity == NULL) {
        return;
    }
    ASSERT(identity->user_count > 0);
    identity->user_count--;
    if (identity->user_count > 0) {
        return;
    }
    struct aws_identity **at = &hub->identities;
    while (*at != NULL && *at != identity) {
        at = &(*at)->next;
    }
    ASSERT(*at == identity);
    *at = identity->next;
    identity_free(hub, identity);
}

struct credentials *aws_identity_credentials(struct aws_identity *identity)
{
    return &identity->credentials;
}
