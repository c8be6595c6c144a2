/* SPDX-License-Identifier: MIT */
/*
 * Answers one request: the control protocol without its socket.
 */
#include <errno.h>
#include <stdlib.h>

#include "api/server.h"

static json_t *answer_error(const char *text)
{
	json_t *a = json_pack("{s:b, s:s}", "ok", 0, "error", text);

	/* jansson refuses text that is no UTF-8. */
	return a ? a : json_pack("{s:b, s:s}", "ok", 0, "error", "failed");
}

static json_t *answer_result(json_t *result)
{
	if (!result)
		return answer_error("out of memory");
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

/* Run a command that returns an error number and lines of text. */
static json_t *answer_fallible(const struct control_ops *ops, const char *cmd,
			       const json_t *request)
{
	json_t *result = NULL, *answer;
	char *said = NULL;
	size_t len;
	FILE *errors = open_memstream(&said, &len);
	int err = -ENOSYS;

	if (!errors)
		return answer_error("out of memory");
	if (!strcmp(cmd, "reload"))
		err = ops->reload(ops->arg, errors);
	else if (ops->command)
		err = ops->command(ops->arg, cmd, request, &result, errors);
	if (fclose(errors))
		err = -ENOMEM;
	/* warnings of a reload that succeeded */
	if (!err && !result && said && *said)
		result = json_pack("{s:s}", "warning", said);
	if (!err)
		answer = answer_result(result ? result : json_null());
	else if (said && *said)
		answer = answer_error(said);
	else if (err == -ENOSYS)
		answer = answer_error("unknown command");
	else
		answer = answer_error(strerror(-err));
	if (err)
		json_decref(result);
	free(said);
	return answer;
}

static uint32_t request_max(const json_t *request)
{
	json_int_t n = json_integer_value(json_object_get(request, "max"));

	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : CONTROL_FLOWS_MAX;
}

json_t *control_answer(const struct control_ops *ops, const char *line,
		       size_t len)
{
	json_error_t why;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	json_t *answer;

	if (!cmd) {
		answer = answer_error(request ? "no \"cmd\"" : why.text);
	} else if (!strcmp(cmd, "ping")) {
		answer = answer_result(json_string("pong"));
	} else if (!strcmp(cmd, "status")) {
		answer = answer_result(ops->status(ops->arg));
	} else if (!strcmp(cmd, "counters")) {
		answer = answer_result(control_metrics_json(ops));
	} else if (!strcmp(cmd, "flows") &&
		   !json_object_get(request, "filter")) {
		answer = answer_result(
			ops->flows(ops->arg, request_max(request)));
	} else if (!strcmp(cmd, "stop")) {
		ops->stop(ops->arg);
		answer = answer_result(json_null());
	} else {
		answer = answer_fallible(ops, cmd, request);
	}
	json_decref(request);
	return answer;
}
