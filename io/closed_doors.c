/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closed_doors — what stands in libcurl's archive and weir never asks for.
 *
 * Debian's libcurl speaks SSH, LDAP, RTMP, Kerberos and Brotli, and keeps cookies by the public
 * suffix list. weir allows it http and https alone, sets no such authentication and takes no such
 * encoding. Linked into a program whose libraries are static, these names keep twenty libraries
 * out of the image, and with them all that could go wrong inside. A door that a peer could make
 * libcurl try answers at its first step as the library would when it fails; behind those, nobody
 * can stand. Chosen by WEIR_STATIC_LIBS; a libcurl that asks for more fails to link.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

/* Wide enough for every answer: a pointer, a length, a status. */
#define DOOR_ANSWERS(name, answer)                                                                 \
    uintptr_t name(void);                                                                          \
    uintptr_t name(void)                                                                           \
    {                                                                                              \
        return (answer);                                                                           \
    }

#define DOOR_NEVER(name)                                                                           \
    uintptr_t name(void);                                                                          \
    uintptr_t name(void)                                                                           \
    {                                                                                              \
        weir_panic(__FILE__, __LINE__, #name);                                                     \
    }

/* --- Kerberos: a SOCKS proxy may ask for it --------------------------------------------------- */

#define GSS_COMPLETE 0
#define GSS_FAILURE (UINT32_C(13) << 16)

struct gss_text {
    size_t len;
    const char *text; /* borrowed forever */
};

/* libcurl passes it on and never looks behind it. */
extern const void *const GSS_C_NT_HOSTBASED_SERVICE;
const void *const GSS_C_NT_HOSTBASED_SERVICE = NULL;

/* libcurl asks until it gets a text, and copies that up to its end. */
uint32_t gss_display_status(uint32_t *minor, uint32_t status, int kind, const void *mechanism,
                            uint32_t *more, struct gss_text *out);
uint32_t gss_display_status(uint32_t *minor, uint32_t status, int kind, const void *mechanism,
                            uint32_t *more, struct gss_text *out)
{
    static const char text[] = "Kerberos is not built in";
    (void)status;
    (void)kind;
    (void)mechanism;
    *minor = 0;
    *more = 0;
    *out = (struct gss_text){.len = sizeof(text) - 1, .text = text};
    return GSS_COMPLETE;
}

DOOR_ANSWERS(gss_import_name, GSS_FAILURE)
DOOR_ANSWERS(gss_init_sec_context, GSS_FAILURE)
DOOR_ANSWERS(gss_inquire_context, GSS_FAILURE)
DOOR_ANSWERS(gss_display_name, GSS_FAILURE)
DOOR_ANSWERS(gss_wrap, GSS_FAILURE)
DOOR_ANSWERS(gss_unwrap, GSS_FAILURE)
DOOR_ANSWERS(gss_delete_sec_context, GSS_COMPLETE)
DOOR_ANSWERS(gss_release_buffer, GSS_COMPLETE)
DOOR_ANSWERS(gss_release_name, GSS_COMPLETE)

/* --- Brotli: a server may answer in it unasked ------------------------------------------------ */

DOOR_ANSWERS(BrotliDecoderCreateInstance, 0)
DOOR_ANSWERS(BrotliDecoderDestroyInstance, 0)
DOOR_ANSWERS(BrotliDecoderVersion, 0)
DOOR_NEVER(BrotliDecoderDecompressStream)
DOOR_NEVER(BrotliDecoderGetErrorCode)

/* --- cookies by the public suffix list -------------------------------------------------------- */

DOOR_ANSWERS(psl_builtin, 0)
DOOR_ANSWERS(psl_latest, 0)
DOOR_ANSWERS(psl_free, 0)
DOOR_ANSWERS(psl_get_version, 0)
DOOR_ANSWERS(psl_is_cookie_domain_acceptable, 0)

/* --- SSH: opened and closed with libcurl itself ----------------------------------------------- */

DOOR_ANSWERS(libssh2_init, 0)
DOOR_ANSWERS(libssh2_exit, 0)
DOOR_ANSWERS(libssh2_version, 0)
DOOR_ANSWERS(libssh2_session_init_ex, 0)
DOOR_NEVER(libssh2_agent_connect)
DOOR_NEVER(libssh2_agent_disconnect)
DOOR_NEVER(libssh2_agent_free)
DOOR_NEVER(libssh2_agent_get_identity)
DOOR_NEVER(libssh2_agent_init)
DOOR_NEVER(libssh2_agent_list_identities)
DOOR_NEVER(libssh2_agent_userauth)
DOOR_NEVER(libssh2_channel_free)
DOOR_NEVER(libssh2_channel_read_ex)
DOOR_NEVER(libssh2_channel_send_eof)
DOOR_NEVER(libssh2_channel_wait_closed)
DOOR_NEVER(libssh2_channel_wait_eof)
DOOR_NEVER(libssh2_channel_write_ex)
DOOR_NEVER(libssh2_hostkey_hash)
DOOR_NEVER(libssh2_knownhost_add)
DOOR_NEVER(libssh2_knownhost_checkp)
DOOR_NEVER(libssh2_knownhost_del)
DOOR_NEVER(libssh2_knownhost_free)
DOOR_NEVER(libssh2_knownhost_get)
DOOR_NEVER(libssh2_knownhost_init)
DOOR_NEVER(libssh2_knownhost_readfile)
DOOR_NEVER(libssh2_knownhost_writefile)
DOOR_NEVER(libssh2_scp_recv2)
DOOR_NEVER(libssh2_scp_send64)
DOOR_NEVER(libssh2_session_abstract)
DOOR_NEVER(libssh2_session_block_directions)
DOOR_NEVER(libssh2_session_callback_set)
DOOR_NEVER(libssh2_session_disconnect_ex)
DOOR_NEVER(libssh2_session_flag)
DOOR_NEVER(libssh2_session_free)
DOOR_NEVER(libssh2_session_handshake)
DOOR_NEVER(libssh2_session_hostkey)
DOOR_NEVER(libssh2_session_last_errno)
DOOR_NEVER(libssh2_session_last_error)
DOOR_NEVER(libssh2_session_method_pref)
DOOR_NEVER(libssh2_session_set_blocking)
DOOR_NEVER(libssh2_sftp_close_handle)
DOOR_NEVER(libssh2_sftp_init)
DOOR_NEVER(libssh2_sftp_last_error)
DOOR_NEVER(libssh2_sftp_mkdir_ex)
DOOR_NEVER(libssh2_sftp_open_ex)
DOOR_NEVER(libssh2_sftp_read)
DOOR_NEVER(libssh2_sftp_readdir_ex)
DOOR_NEVER(libssh2_sftp_rename_ex)
DOOR_NEVER(libssh2_sftp_rmdir_ex)
DOOR_NEVER(libssh2_sftp_seek64)
DOOR_NEVER(libssh2_sftp_shutdown)
DOOR_NEVER(libssh2_sftp_stat_ex)
DOOR_NEVER(libssh2_sftp_statvfs)
DOOR_NEVER(libssh2_sftp_symlink_ex)
DOOR_NEVER(libssh2_sftp_unlink_ex)
DOOR_NEVER(libssh2_sftp_write)
DOOR_NEVER(libssh2_userauth_authenticated)
DOOR_NEVER(libssh2_userauth_keyboard_interactive_ex)
DOOR_NEVER(libssh2_userauth_list)
DOOR_NEVER(libssh2_userauth_password_ex)
DOOR_NEVER(libssh2_userauth_publickey_fromfile_ex)

/* --- LDAP ------------------------------------------------------------------------------------- */

DOOR_ANSWERS(ldap_get_option, UINTPTR_MAX)
DOOR_NEVER(ber_bvfree)
DOOR_NEVER(ber_free)
DOOR_NEVER(ber_memfree)
DOOR_NEVER(ber_memvfree)
DOOR_NEVER(ber_sockbuf_add_io)
DOOR_NEVER(ldap_abandon_ext)
DOOR_NEVER(ldap_err2string)
DOOR_NEVER(ldap_free_urldesc)
DOOR_NEVER(ldap_get_attribute_ber)
DOOR_NEVER(ldap_get_dn_ber)
DOOR_NEVER(ldap_init_fd)
DOOR_NEVER(ldap_memfree)
DOOR_NEVER(ldap_msgfree)
DOOR_NEVER(ldap_msgtype)
DOOR_NEVER(ldap_parse_result)
DOOR_NEVER(ldap_parse_sasl_bind_result)
DOOR_NEVER(ldap_pvt_url_scheme2proto)
DOOR_NEVER(ldap_result)
DOOR_NEVER(ldap_sasl_bind)
DOOR_NEVER(ldap_search_ext)
DOOR_NEVER(ldap_set_option)
DOOR_NEVER(ldap_start_tls)
DOOR_NEVER(ldap_unbind_ext)
DOOR_NEVER(ldap_url_parse)

/* --- RTMP ------------------------------------------------------------------------------------- */

DOOR_ANSWERS(RTMP_Alloc, 0)
DOOR_NEVER(RTMP_Close)
DOOR_NEVER(RTMP_Connect1)
DOOR_NEVER(RTMP_ConnectStream)
DOOR_NEVER(RTMP_Free)
DOOR_NEVER(RTMP_Init)
DOOR_NEVER(RTMP_Read)
DOOR_NEVER(RTMP_SetBufferMS)
DOOR_NEVER(RTMP_SetupURL)
DOOR_NEVER(RTMP_Write)
