/* Owns the key of the secrets and the formats of a sealed text: version, ":" and base64 of nonce
 * (12 bytes), ciphertext, tag (16 bytes). "v2": the key of the cipher is derived from the one in
 * the file (HKDF-SHA256), so that the file's key itself serves nothing but deriving; "v2:" and the
 * secret's name are authenticated. "v1", of earlier releases, is only opened: the file's key was
 * the cipher's, and the name alone was authenticated. To add a version: a row in seal_formats,
 * whose first is what is written. */
#include "server/seal.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEAL_NONCE_BYTES = 12, SEAL_TAG_BYTES = 16 };

typedef struct SealKey {
  unsigned char bytes[SEAL_KEY_BYTES];
} SealKey;

/* @info: what the cipher's key is derived for; NULL = it is the file's key. @bound: stands before
 * the name in what is authenticated. */
typedef struct SealFormat {
  const char *prefix, *info, *bound;
} SealFormat;
static const SealFormat seal_formats[] = {{"v2:", "reeve secrets v2", "v2:"}, {"v1:", NULL, ""}};

char *seal_key_path(const char *directory)
{
  return g_build_filename(directory, "secrets.key", NULL);
}

void seal_wipe(char *value)
{
  text_wipe(value);
}

static bool seal_errno(const char *what, const char *path, GError **error)
{
  int e = errno;
  g_set_error(error, REEVE_ERROR,
              e == ENOSPC || e == EDQUOT ? REEVE_ERROR_STORE_FULL : REEVE_ERROR_INTERNAL,
              "%s key of the secrets '%s': %s", what, path, g_strerror(e));
  return false;
}

static bool seal_read_key(const char *path, int fd, SealKey *key, GError **error)
{
  struct stat status;
  if (fstat(fd, &status) != 0)
    return seal_errno("read", path, error);
  if (!fs_require_private(&status, path, error)) {
    g_prefix_error(error, "key of the secrets ");
    return false;
  }
  if (read(fd, key->bytes, sizeof key->bytes) == (ssize_t)sizeof key->bytes)
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
              "key of the secrets '%s': cut short; restore it from a backup made --with-key", path);
  return false;
}

/* Made beside its place and linked there, so that no half key is ever found; who comes second uses
 * the first one's. */
static bool seal_make_key(const char *directory, const char *path, GError **error)
{
  SealKey key;
  g_autofree char *fresh = g_strconcat(path, ".new", NULL);
  if (RAND_bytes(key.bytes, sizeof key.bytes) != 1) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL,
                "make key of the secrets: no random bytes");
    return false;
  }
  unlink(fresh);
  int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600),
      dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && dir >= 0 &&
            write(fd, key.bytes, sizeof key.bytes) == (ssize_t)sizeof key.bytes && fsync(fd) == 0 &&
            (link(fresh, path) == 0 || errno == EEXIST) && fsync(dir) == 0;
  if (!ok)
    seal_errno("make", path, error);
  explicit_bzero(&key, sizeof key);
  unlink(fresh);
  if (fd >= 0)
    close(fd);
  if (dir >= 0)
    close(dir);
  return ok;
}

static bool seal_key(const char *directory, bool make, SealKey *key, GError **error)
{
  g_autofree char *path = seal_key_path(directory);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT && make) {
    if (!seal_make_key(directory, path, error))
      return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  }
  if (fd < 0)
    return seal_errno("open", path, error);
  bool ok = seal_read_key(path, fd, key, error);
  close(fd);
  return ok;
}

/* Puts the key of the cipher in the place of the file's. */
static bool seal_cipher_key(const SealFormat *format, SealKey *key)
{
  if (!format->info)
    return true;
  SealKey derived;
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key->bytes, sizeof key->bytes),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)(uintptr_t)format->info,
                                        strlen(format->info)),
      OSSL_PARAM_construct_end()};
  bool ok = context && EVP_KDF_derive(context, derived.bytes, sizeof derived.bytes, params) == 1;
  if (ok)
    *key = derived;
  explicit_bzero(&derived, sizeof derived);
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return ok;
}

/* One pass of the cipher over @in; the tag is written when @encrypt, else checked. */
static bool seal_cipher(const SealKey *key, bool encrypt, const char *name,
                        const unsigned char *nonce, const unsigned char *in, int length,
                        unsigned char *out, unsigned char *tag)
{
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int n = 0, more = 0;
  bool ok =
      context &&
      EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->bytes, nonce, encrypt) == 1 &&
      EVP_CipherUpdate(context, NULL, &n, (const unsigned char *)name, (int)strlen(name)) == 1 &&
      EVP_CipherUpdate(context, out, &n, in, length) == 1 &&
      (encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_BYTES, tag) == 1) &&
      EVP_CipherFinal_ex(context, out + n, &more) == 1 &&
      (!encrypt || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_BYTES, tag) == 1);
  EVP_CIPHER_CTX_free(context);
  return ok;
}

char *seal_close(const char *directory, const char *name, const char *value, GError **error)
{
  SealKey key;
  size_t length = strlen(value);
  if (length > SEAL_VALUE_MAX) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_LIMIT, "secret '%s': %zu bytes; allowed: %d", name,
                length, SEAL_VALUE_MAX);
    return NULL;
  }
  if (!seal_key(directory, true, &key, error))
    return NULL;
  const SealFormat *format = &seal_formats[0];
  g_autofree char *bound = g_strconcat(format->bound, name, NULL);
  gsize total = SEAL_NONCE_BYTES + length + SEAL_TAG_BYTES;
  g_autofree unsigned char *bytes = g_malloc(total);
  bool ok = seal_cipher_key(format, &key) && RAND_bytes(bytes, SEAL_NONCE_BYTES) == 1 &&
            seal_cipher(&key, true, bound, bytes, (const unsigned char *)value, (int)length,
                        bytes + SEAL_NONCE_BYTES, bytes + SEAL_NONCE_BYTES + length);
  explicit_bzero(&key, sizeof key);
  if (!ok) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INTERNAL, "seal secret '%s': the cipher failed",
                name);
    return NULL;
  }
  g_autofree char *text = g_base64_encode(bytes, total);
  return g_strconcat(format->prefix, text, NULL);
}

char *seal_derive(const char *directory, const char *purpose, GError **error)
{
  SealKey key;
  if (!seal_key(directory, true, &key, error))
    return NULL;
  char *digest =
      g_compute_hmac_for_string(G_CHECKSUM_SHA256, key.bytes, sizeof key.bytes, purpose, -1);
  explicit_bzero(&key, sizeof key);
  return digest;
}

static const SealFormat *seal_format_of(const char *sealed)
{
  for (gsize i = 0; i < G_N_ELEMENTS(seal_formats); i++)
    if (g_str_has_prefix(sealed, seal_formats[i].prefix))
      return &seal_formats[i];
  return NULL;
}

char *seal_open(const char *directory, const char *name, const char *sealed, GError **error)
{
  SealKey key;
  gsize total = 0;
  const SealFormat *format = seal_format_of(sealed);
  g_autofree unsigned char *bytes =
      format ? g_base64_decode(sealed + strlen(format->prefix), &total) : NULL;
  if (!bytes || total < SEAL_NONCE_BYTES + SEAL_TAG_BYTES) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
                "open secret '%s': the stored text is damaged; set it again", name);
    return NULL;
  }
  if (!seal_key(directory, false, &key, error))
    return NULL;
  int length = (int)(total - SEAL_NONCE_BYTES - SEAL_TAG_BYTES);
  char *value = g_malloc0((gsize)length + 1);
  g_autofree char *bound = g_strconcat(format->bound, name, NULL);
  bool ok = seal_cipher_key(format, &key) &&
            seal_cipher(&key, false, bound, bytes, bytes + SEAL_NONCE_BYTES, length,
                        (unsigned char *)value, bytes + SEAL_NONCE_BYTES + length);
  explicit_bzero(&key, sizeof key);
  if (ok)
    return value;
  explicit_bzero(value, (gsize)length);
  g_free(value);
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED,
              "open secret '%s': sealed with another key, or damaged; set it again", name);
  return NULL;
}
