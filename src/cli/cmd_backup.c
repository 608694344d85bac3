/* reeve backup and reeve restore: one file with everything that the server knows. They work on the
 * data directory itself, on this machine.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "store/backup.h"

static bool backup_options(const Cli *cli, BackupOptions *options, GError **error)
{
  *options = (BackupOptions){.directory = cli->paths.data_dir,
                             .file = cli_word(cli, 0),
                             .with_key = cli_flag(cli, OPT_WITH_KEY),
                             .version = REEVE_VERSION,
                             .wall_ms = clock_wall_ms()};
  if (!api_remote(cli))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
              "server '%s' is another one: its backups are made and restored where it runs",
              api_remote(cli));
  return false;
}

/* Is there a directory for @file? The store would only say that it cannot open something. */
static bool backup_has_room(const char *file, GError **error)
{
  g_autofree char *directory = g_path_get_dirname(file);
  if (g_file_test(directory, G_FILE_TEST_IS_DIR))
    return true;
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
              "write backup '%s': there is no directory '%s'", file, directory);
  return false;
}

static void backup_data(const Cli *cli, const BackupOptions *options,
                        const BackupManifest *manifest, const BackupRestored *restored)
{
  g_autoptr(GString) out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "file", options->file);
  jw_str(out, "created_at", manifest->created_at);
  jw_str(out, "version", manifest->version);
  jw_int(out, "schema", manifest->schema);
  jw_int(out, "deployments", manifest->deployments);
  jw_int(out, "secrets", manifest->secrets);
  jw_str(out, "database_sha256", manifest->database_sha256);
  jw_bool(out, "with_key", manifest->with_key);
  if (restored) {
    jw_int(out, "term", restored->term);
    jw_str(out, "former", restored->former);
    jw_bool(out, "key_present", restored->key_present);
  }
  jw_close(out, '}');
  cli_print_json_text(cli, out->str);
}

int cmd_backup(Cli *cli, GError **error)
{
  BackupOptions options;
  BackupManifest manifest;
  if (!backup_options(cli, &options, error) || !backup_has_room(options.file, error) ||
      !backup_write(&options, &manifest, error))
    return 1;
  if (cli_is_data(cli))
    backup_data(cli, &options, &manifest, NULL);
  else
    cli_print("%s  %s\n", manifest.database_sha256, options.file);
  cli_note(cli, "%d deployment%s, %d secret%s, as of %s", (int)manifest.deployments,
           text_plural(manifest.deployments), (int)manifest.secrets, text_plural(manifest.secrets),
           manifest.created_at);
  if (manifest.with_key)
    cli_note(cli, "the key of the secrets is in it: whoever has the file has the secrets");
  else if (manifest.secrets)
    cli_note(
        cli,
        "the key of the secrets is NOT in it: keep '%s/secrets.key' in another place, or use --with-key",
        options.directory);
  return 0;
}

int cmd_restore(Cli *cli, GError **error)
{
  BackupOptions options;
  BackupManifest manifest;
  BackupRestored restored;
  if (!backup_options(cli, &options, error) ||
      !backup_restore(&options, &manifest, &restored, error))
    return 1;
  if (cli_is_data(cli))
    backup_data(cli, &options, &manifest, &restored);
  else
    cli_print("restored %d deployment%s as of %s, written by Reeve %s; term %d\n",
              (int)manifest.deployments, text_plural(manifest.deployments), manifest.created_at,
              manifest.version, (int)restored.term);
  if (restored.former)
    cli_note(cli, "what was there before is in '%s'", restored.former);
  if (!restored.key_present)
    cli_note(cli,
             "the key of its %d secret%s is missing: put secrets.key into '%s', or set them again",
             (int)manifest.secrets, text_plural(manifest.secrets), options.directory);
  cli_note(cli, "start the server: reeve server start");
  backup_restored_done(&restored);
  return 0;
}
