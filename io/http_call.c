/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_call — a request becomes settings of a curl handle, and a finished transfer a result.
 *
 * The body is read straight from the request's iovecs into libcurl's send buffer, and again from
 * the start when libcurl has to repeat it on a fresh connection.
 */
#include "io/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/lease.h"
#include "io/io_bounds.h"

#define UPLOAD_BUFFER_BYTES 262144L
#define RESPONSE_FIRST_BYTES 1024

/* The first refused option is remembered; the rest is set all the same. */
struct setup {
    CURL *easy;
    CURLcode code;
};

static void note(struct setup *setup, CURLcode code)
{
    if (setup->code == CURLE_OK) {
        setup->code = code;
    }
}

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void set_text(struct setup *setup, CURLoption option, const char *text)
{
    if (is_set(text)) {
        note(setup, curl_easy_setopt(setup->easy, option, text));
    }
}

/* --- the body going out ----------------------------------------------------------------------- */

static size_t call_on_read(char *buf, size_t size, size_t count, void *owner)
{
    struct http_call *call = owner;
    const struct http_request *request = call->request;
    size_t cap = size * count;
    size_t len = 0;
    while (len < cap && call->body_index < request->body_count) {
        const struct iovec *piece = &request->body[call->body_index];
        size_t left = piece->iov_len - call->body_offset;
        size_t step = left < cap - len ? left : cap - len;
        if (step > 0) {
            memcpy(buf + len, (const char *)piece->iov_base + call->body_offset, step);
        }
        len += step;
        call->body_offset += step;
        if (call->body_offset == piece->iov_len) {
            call->body_index++;
            call->body_offset = 0;
        }
    }
    return len;
}

/*
 * A kept connection that ended before it answered makes libcurl begin again, from the start, on
 * another one. It asks only where some of the body had left; whether the peer acted on it, nobody
 * knows.
 */
static int call_on_seek(void *owner, curl_off_t offset, int origin)
{
    struct http_call *call = owner;
    if (offset != 0 || origin != SEEK_SET) {
        return CURL_SEEKFUNC_FAIL;
    }
    call->body_index = 0;
    call->body_offset = 0;
    call->repeat_count++;
    return CURL_SEEKFUNC_OK;
}

static size_t body_bytes(const struct http_request *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->body_count; i++) {
        bytes += request->body[i].iov_len;
    }
    return bytes;
}

/* --- the answer coming in --------------------------------------------------------------------- */

static bool charge(const struct http_call *call, size_t bytes)
{
    return call->memory == NULL || lease_take(call->memory, bytes);
}

static void discharge(const struct http_call *call, size_t bytes)
{
    if (call->memory != NULL) {
        lease_give(call->memory, bytes);
    }
}

/* Up or down. 0; FAULT_LIMIT where its lease has no room; -ENOMEM. */
static int resize_response(struct http_call *call, size_t capacity)
{
    size_t before = call->response_capacity;
    size_t more = capacity > before ? capacity - before : 0;
    size_t less = capacity < before ? before - capacity : 0;
    if (!charge(call, more)) {
        return FAULT_LIMIT;
    }
    uint8_t *resized = mem_resize(call->response, capacity);
    if (resized == NULL) {
        discharge(call, more);
        return -ENOMEM;
    }
    discharge(call, less);
    call->response = resized;
    call->response_capacity = capacity;
    return 0;
}

static void free_response(struct http_call *call)
{
    mem_free(call->response);
    discharge(call, call->response_capacity);
}

static int reserve_response(struct http_call *call, size_t len)
{
    size_t capacity = call->response_capacity > 0 ? call->response_capacity : RESPONSE_FIRST_BYTES;
    while (capacity < len) {
        capacity *= 2;
    }
    return capacity == call->response_capacity ? 0 : resize_response(call, capacity);
}

/* What passes the limit is read and dropped, so that the connection can be used again. */
static size_t call_on_write(char *bytes, size_t size, size_t count, void *owner)
{
    struct http_call *call = owner;
    size_t len = size * count;
    size_t room = call->request->response_max_bytes - call->response_len;
    size_t kept = len < room ? len : room;
    call->is_response_cut = call->is_response_cut || kept < len;
    if (kept == 0) {
        return len;
    }
    call->read_fault = reserve_response(call, call->response_len + kept);
    if (call->read_fault != 0) {
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(call->response + call->response_len, bytes, kept);
    call->response_len += kept;
    return len;
}

/* --- life ------------------------------------------------------------------------------------- */

struct http_call *http_call_new(void)
{
    struct http_call *call = mem_alloc(sizeof(*call));
    if (call == NULL) {
        return NULL;
    }
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        http_call_free(call);
        return NULL;
    }
    return call;
}

void http_call_clear(struct http_call *call)
{
    curl_easy_reset(call->easy);
    curl_slist_free_all(call->headers);
    free_response(call);
    CURL *easy = call->easy;
    *call = (struct http_call){.easy = easy};
}

void http_call_free(struct http_call *call)
{
    if (call == NULL) {
        return;
    }
    curl_slist_free_all(call->headers);
    curl_easy_cleanup(call->easy);
    free_response(call);
    mem_free(call);
}

/* --- settings --------------------------------------------------------------------------------- */

static int set_headers(struct http_call *call, const struct http_request *request,
                       struct setup *setup)
{
    /* Without the first line a large body would wait a second for a "100 Continue". */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list != NULL && i < request->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(list, request->headers[i]);
        if (longer == NULL) {
            curl_slist_free_all(list);
        }
        list = longer;
    }
    if (list == NULL) {
        return -ENOMEM;
    }
    call->headers = list;
    note(setup, curl_easy_setopt(setup->easy, CURLOPT_HTTPHEADER, list));
    return 0;
}

static void set_method(struct http_call *call, const struct http_request *request,
                       struct setup *setup)
{
    CURL *easy = setup->easy;
    if (strcmp(request->method, "GET") == 0) {
        note(setup, curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L));
        return;
    }
    if (strcmp(request->method, "HEAD") == 0) {
        note(setup, curl_easy_setopt(easy, CURLOPT_NOBODY, 1L));
        return;
    }
    note(setup, curl_easy_setopt(easy, CURLOPT_POST, 1L));
    if (strcmp(request->method, "POST") != 0) {
        note(setup, curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method));
    }
    note(setup, curl_easy_setopt(easy, CURLOPT_READFUNCTION, call_on_read));
    note(setup, curl_easy_setopt(easy, CURLOPT_READDATA, call));
    note(setup, curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, call_on_seek));
    note(setup, curl_easy_setopt(easy, CURLOPT_SEEKDATA, call));
    note(setup,
         curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes(request)));
    note(setup, curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES));
}

static void set_transfer(struct http_call *call, const struct http_request *request,
                         struct setup *setup)
{
    CURL *easy = setup->easy;
    note(setup, curl_easy_setopt(easy, CURLOPT_URL, request->url));
    note(setup, curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    note(setup, curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS));
    note(setup, curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    /* A resolver thread that hangs must not be waited for: this thread serves other exporters. */
    note(setup, curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L));
    note(setup, curl_easy_setopt(easy, CURLOPT_PRIVATE, call));
    note(setup, curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error));
    note(setup, curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, call_on_write));
    note(setup, curl_easy_setopt(easy, CURLOPT_WRITEDATA, call));
    if (request->timeout_ms > 0) {
        uint64_t cap_ms = INT32_MAX; /* 24 days; libcurl counts in a long */
        uint64_t timeout_ms = request->timeout_ms < cap_ms ? request->timeout_ms : cap_ms;
        note(setup, curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms));
    }
}

static void set_blob(struct setup *setup, CURLoption option, const char *text)
{
    if (is_set(text)) {
        union {
            const char *text;
            void *data; /* libcurl's signature has no const; it copies */
        } bytes = {.text = text};
        struct curl_blob blob = {.data = bytes.data, .len = strlen(text), .flags = CURL_BLOB_COPY};
        note(setup, curl_easy_setopt(setup->easy, option, &blob));
    }
}

static long tls_versions(const struct http_tls_options *tls)
{
    static const long least[] = {
        [HTTP_TLS_DEFAULT] = CURL_SSLVERSION_TLSv1_2, [HTTP_TLS_1_0] = CURL_SSLVERSION_TLSv1_0,
        [HTTP_TLS_1_1] = CURL_SSLVERSION_TLSv1_1,     [HTTP_TLS_1_2] = CURL_SSLVERSION_TLSv1_2,
        [HTTP_TLS_1_3] = CURL_SSLVERSION_TLSv1_3,
    };
    static const long most[] = {
        [HTTP_TLS_DEFAULT] = CURL_SSLVERSION_MAX_DEFAULT,
        [HTTP_TLS_1_0] = CURL_SSLVERSION_MAX_TLSv1_0,
        [HTTP_TLS_1_1] = CURL_SSLVERSION_MAX_TLSv1_1,
        [HTTP_TLS_1_2] = CURL_SSLVERSION_MAX_TLSv1_2,
        [HTTP_TLS_1_3] = CURL_SSLVERSION_MAX_TLSv1_3,
    };
    return least[tls->min_version] | most[tls->max_version];
}

static void set_tls(const struct http_tls_options *tls, struct setup *setup)
{
    CURL *easy = setup->easy;
    note(setup, curl_easy_setopt(easy, CURLOPT_SSLVERSION, tls_versions(tls)));
    set_text(setup, CURLOPT_CAINFO, tls->ca_file);
    set_blob(setup, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    if ((is_set(tls->ca_file) || is_set(tls->ca_pem)) && !tls->includes_system_cas) {
        /* Debian's libcurl has the system's directory as its default, beside any file. */
        note(setup, curl_easy_setopt(easy, CURLOPT_CAPATH, NULL));
    }
    set_text(setup, CURLOPT_SSLCERT, tls->cert_file);
    set_blob(setup, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    set_text(setup, CURLOPT_SSLKEY, tls->key_file);
    set_blob(setup, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    if (tls->insecure_skip_verify) {
        note(setup, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L));
        note(setup, curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L));
    }
}

/* --- proxies ---------------------------------------------------------------------------------- */

/* The parts of a URL; NULL where it is none. Freed with curl_url_cleanup. */
static CURLU *parse_url(const char *url)
{
    CURLU *parts = curl_url();
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK) {
        curl_url_cleanup(parts);
        return NULL;
    }
    return parts;
}

static bool part_is(CURLU *parts, CURLUPart part, bool (*is_wanted)(const char *text))
{
    char *text = NULL;
    bool answer = curl_url_get(parts, part, &text, 0) == CURLUE_OK && is_wanted(text);
    curl_free(text);
    return answer;
}

static bool is_plain_scheme(const char *scheme)
{
    return strcmp(scheme, "http") == 0;
}

static bool is_http_scheme(const char *scheme)
{
    return is_plain_scheme(scheme) || strcmp(scheme, "https") == 0;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

static bool is_host(const char *host)
{
    return host[0] != '\0';
}

/* libcurl reads the environment too, but knows neither loopback nor HTTP_PROXY in capitals. */
static void set_proxy(const struct http_client_options *options, const char *url,
                      struct setup *setup)
{
    if (options->ignores_proxies) {
        note(setup, curl_easy_setopt(setup->easy, CURLOPT_PROXY, ""));
        return;
    }
    if (is_set(options->proxy_url)) {
        note(setup, curl_easy_setopt(setup->easy, CURLOPT_PROXY, options->proxy_url));
        note(setup, curl_easy_setopt(setup->easy, CURLOPT_NOPROXY, ""));
        return;
    }
    CURLU *parts = parse_url(url);
    if (parts == NULL) {
        return; /* the transfer will say so */
    }
    if (part_is(parts, CURLUPART_HOST, is_loopback)) {
        note(setup, curl_easy_setopt(setup->easy, CURLOPT_PROXY, ""));
    } else if (part_is(parts, CURLUPART_SCHEME, is_plain_scheme) && getenv("http_proxy") == NULL) {
        set_text(setup, CURLOPT_PROXY, getenv("HTTP_PROXY"));
    }
    curl_url_cleanup(parts);
}

bool http_url_is_valid(const char *url)
{
    CURLU *parts = parse_url(url);
    if (parts == NULL) {
        return false;
    }
    bool is_valid =
        part_is(parts, CURLUPART_SCHEME, is_http_scheme) && part_is(parts, CURLUPART_HOST, is_host);
    curl_url_cleanup(parts);
    return is_valid;
}

int http_call_prepare(struct http_call *call, const struct http_client_options *options,
                      struct http_request *request)
{
    struct setup setup = {.easy = call->easy, .code = CURLE_OK};
    call->request = request;
    call->memory = request->memory;
    int err = set_headers(call, request, &setup);
    if (err != 0) {
        return err;
    }
    set_transfer(call, request, &setup);
    set_method(call, request, &setup);
    set_tls(&options->tls, &setup);
    set_proxy(options, request->url, &setup);
    if (setup.code == CURLE_OUT_OF_MEMORY) {
        return -ENOMEM;
    }
    return setup.code == CURLE_OK ? 0 : FAULT_LIBRARY;
}

/* --- the result ------------------------------------------------------------------------------- */

static int fault_of_connect(CURL *easy)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno); /* 0 stays 0 */
    return os_errno > 0 && os_errno < FAULT_BASE ? -(int)os_errno : -ECONNREFUSED;
}

static int fault_of(const struct http_call *call, CURLcode code)
{
    if (call->read_fault != 0) {
        return call->read_fault;
    }
    switch ((int)code) { /* more of them than we tell apart */
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_COULDNT_CONNECT:
        return fault_of_connect(call->easy);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return FAULT_CLOSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return FAULT_MALFORMED;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default: /* libcurl's own words stand beside it */
        return FAULT_LIBRARY;
    }
}

static uint64_t retry_after_ms(CURL *easy)
{
    curl_off_t wait_s = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait_s); /* 0 when absent */
    if (wait_s <= 0) {
        return 0;
    }
    return (uint64_t)(wait_s < HTTP_RETRY_AFTER_MAX_S ? wait_s : HTTP_RETRY_AFTER_MAX_S) * 1000;
}

/* The first one of each name, of the final answer. */
static void read_headers(const struct http_call *call, struct http_result *out)
{
    const struct http_request *request = call->request;
    for (size_t i = 0; i < request->wanted_header_count; i++) {
        struct curl_header *header = NULL;
        CURLHcode code =
            curl_easy_header(call->easy, request->wanted_headers[i], 0, CURLH_HEADER, -1, &header);
        out->headers[i] = code == CURLHE_OK ? slice_of_text(header->value) : slice_of(NULL, 0);
    }
}

void http_call_read_result(struct http_call *call, CURLcode code, struct http_result *out)
{
    long status = 0;
    char *content_type = NULL;
    *out = (struct http_result){.fault = fault_of(call, code),
                                .fault_text = "",
                                .repeat_count = call->repeat_count,
                                .call = call};
    if (call->read_fault != 0) {
        out->fault_text = fault_text(call->read_fault);
        return;
    }
    if (out->fault != 0) {
        out->fault_text = call->error[0] != '\0' ? call->error : curl_easy_strerror(code);
        return;
    }
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
    out->status = (uint32_t)status;
    out->retry_after_ms = retry_after_ms(call->easy);
    out->body = slice_of(call->response, call->response_len);
    out->is_body_cut = call->is_response_cut;
    out->content_type = slice_of_text(content_type);
    read_headers(call, out);
}

void *http_result_take_body(const struct http_result *result, uint64_t *charged_bytes)
{
    struct http_call *call = result->call;
    void *body = NULL;
    *charged_bytes = 0;
    if (call->response_len > 0) {
        (void)resize_response(call, call->response_len); /* a block that cannot shrink is as good */
        body = call->response;
        *charged_bytes = call->memory != NULL ? call->response_capacity : 0;
    }
    call->response = NULL;
    call->response_len = 0;
    call->response_capacity = 0;
    return body;
}
