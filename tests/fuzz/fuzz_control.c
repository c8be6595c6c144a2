/* SPDX-License-Identifier: MIT */
/*
 * The control protocol: one request line in, one JSON object out, whatever the
 * line is.  The answer says ok or why not; only a line that is an object with
 * a command reaches the daemon.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/server.h"
#include "util/log.h"

static uint32_t asked;

static json_t *on_status(void *arg)
{
	(void)arg;
	asked++;
	return json_pack("{s:i}", "flows", 3);
}

static bool on_metric(void *arg, uint32_t i, struct control_metric *m)
{
	(void)arg;
	*m = (struct control_metric){"TcpInSegs", "web", -1, false, "help", i};
	return i < 3;
}

static json_t *on_flows(void *arg, uint32_t max)
{
	json_t *all = json_array();

	(void)arg;
	asked++;
	assert(max > 0);
	for (uint32_t i = 0; i < max && i < 5; i++)
		json_array_append_new(all, json_pack("{s:I}", "serial",
						     (json_int_t)i));
	return all;
}

static int on_reload(void *arg, FILE *errors)
{
	(void)arg;
	asked++;
	fprintf(errors, "line 1: \"no\"\n");
	return -EINVAL;
}

static void on_stop(void *arg)
{
	(void)arg;
	asked++;
}

static int on_command(void *arg, const char *cmd, const json_t *request,
		      json_t **result, FILE *errors)
{
	(void)arg;
	asked++;
	assert(json_is_object(request));
	if (cmd[0] == 'x')
		return -ENOSYS;
	fprintf(errors, "%s\n", cmd);
	*result = json_string(cmd);
	return *result ? 0 : -EINVAL;
}

static const struct control_ops ops = {
	.status = on_status,
	.metric = on_metric,
	.flows = on_flows,
	.reload = on_reload,
	.stop = on_stop,
	.command = on_command,
};

static void quiet(enum log_level lvl, const char *line)
{
	(void)lvl;
	(void)line;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_sink(quiet);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1), *text;
	json_t *a, *ok;

	memcpy(line, data, size);
	line[size] = 0;
	asked = 0;
	a = control_answer(&ops, line, size);
	assert(json_is_object(a) && asked <= 1);
	ok = json_object_get(a, "ok");
	assert(json_is_boolean(ok));
	assert(json_is_true(ok) || json_is_string(json_object_get(a, "error")));
	text = json_dumps(a, JSON_COMPACT);
	assert(text && !strchr(text, '\n'));
	free(text);
	json_decref(a);
	free(line);
	return 0;
}
