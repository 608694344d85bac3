/* The libraries of the server, linked and initialised, and nothing else: the reference of an idle
 * server's memory. Sleeps for ever. */
#include <curl/curl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <glib.h>
#include <jansson.h>
#include <libfyaml.h>
#include <openssl/ssl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
  curl_global_init(CURL_GLOBAL_DEFAULT);
  CURLM *multi = curl_multi_init();
  struct event_base *base = event_base_new();
  struct evhttp *http = evhttp_new(base);
  SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
  sqlite3 *db;
  sqlite3_open(":memory:", &db);
  sqlite3_exec(db, "create table t(a); insert into t values(1)", NULL, NULL, NULL);
  json_t *json = json_object();
  struct fy_document *yaml = fy_document_build_from_string(NULL, "a: 1", 4);
  GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);
  if (!multi || !http || !tls || !json || !yaml || !table)
    return 1;
  puts("ready");
  fflush(stdout);
  for (;;)
    pause();
}
