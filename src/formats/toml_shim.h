#pragma once
/* toml++ for C: the document as JSON text of its values, so that one reader serves agent.toml and
 * agent.json. */
#ifdef __cplusplus
extern "C" {
#endif
/* Returns malloc'd JSON, or NULL with @line, @column (from 1) and a malloc'd @message. */
char *toml_to_json(const char *text, unsigned long length, int *line, int *column, char **message);
/* Where the value that the names of @path (NULL-terminated) lead to stands, or the last thing on
 * the way to it; both from 1, or 0 when
 * @text is no TOML. */
void toml_where(const char *text, unsigned long length, const char *const *path, int *line,
                int *column);
#ifdef __cplusplus
}
#endif
