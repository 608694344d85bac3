/* reeve backup and reeve restore: one file with everything that the server knows. They work on the data directory itself, on this machine.
 */
#include "base/clock.h"
#include "base/error.h"
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
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE, "server '%s' is another one: its backups are made and restored where it runs",
              api_remote(cli));
  return false;
}

int cmd_backup(Cli *cli, GError **error)
{
  BackupOptions options;
  BackupManifest manifest;
  if (!backup_options(cli, &options, error) || !backup_write(&options, &manifest, error))
    return 1;
  cli_print("%s  %s\n", manifest.database_sha256, options.file);
  cli_note(cli, "%d deployments, %d secrets, as of %s", (int)manifest.deployments, (int)manifest.secrets, manifest.created_at);
  if (manifest.with_key)
    cli_note(cli, "the key of the secrets is in it: whoever has the file has the secrets");
  else if (manifest.secrets)
    cli_note(cli, "the key of the secrets is NOT in it: keep '%s/secrets.key' in another place, or use --with-key", options.directory);
  return 0;
}

int cmd_restore(Cli *cli, GError **error)
{
  BackupOptions options;
  BackupManifest manifest;
  BackupRestored restored;
  if (!backup_options(cli, &options, error) || !backup_restore(&options, &manifest, &restored, error))
    return 1;
  cli_print("restored %d deployments as of %s, written by Reeve %s; term %d\n", (int)manifest.deployments, manifest.created_at,
            manifest.version, (int)restored.term);
  if (restored.former)
    cli_note(cli, "what was there before is in '%s'", restored.former);
  if (!restored.key_present)
    cli_note(cli, "the key of its %d secrets is missing: put secrets.key into '%s', or set them again", (int)manifest.secrets,
             options.directory);
  cli_note(cli, "start the server: reeve server start");
  backup_restored_done(&restored);
  return 0;
}
