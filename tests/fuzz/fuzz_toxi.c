/* SPDX-License-Identifier: MIT */
/*
 * toxiproxy's API: requests, one a line ("METHOD PATH BODY"), against a daemon
 * that reads the fault lines as the real one does.  Whatever a client writes,
 * each is one line, and its fault belongs to the service of the path.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/toxiproxy.h"
#include "fault/cfg.h"

static json_t *names; /* of faults */

static json_t *on_services(void *arg)
{
	(void)arg;
	return json_pack("[{s:s, s:[s], s:s}]", "name", "web", "listen",
			 "203.0.113.10:80", "connect", "");
}

static int on_line(json_t *now, const char *line, FILE *errors)
{
	struct fault_spec spec;
	char err[500];

	for (const char *p = line; *p; p++)
		assert(*p == ' ' || isgraph((unsigned char)*p));
	assert(!strncmp(line, "add ", 4) || !strncmp(line, "del ", 4));
	if (*line == 'd')
		return json_object_del(now, line + 4) ? -EINVAL : 0;
	if (fault_parse_line(line + 4, &spec, err, sizeof(err))) {
		fprintf(errors, "%s\n", err);
		return -EINVAL;
	}
	assert(!strcmp(spec.service, "web"));
	assert(!strncmp(line + 4, spec.name, strlen(spec.name)));
	if (json_object_get(now, spec.name))
		return -EEXIST;
	json_object_set_new(now, spec.name, json_true());
	return 0;
}

static int on_command(void *arg, const char *cmd, const json_t *request,
		      json_t **result, FILE *errors)
{
	const json_t *lines = json_object_get(request, "lines"), *l;
	json_t *now = json_copy(names);
	const char *name;
	json_t *v;
	size_t i;
	int err = 0;

	(void)arg;
	if (!strcmp(cmd, "fault-list")) {
		*result = json_array();
		json_object_foreach(now, name, v)
			json_array_append_new(*result,
					      json_pack("{s:s}", "name", name));
	} else {
		json_array_foreach(lines, i, l)
			if (!err)
				err = on_line(now, json_string_value(l),
					      errors);
	}
	json_decref(err ? now : names);
	names = err ? names : now;
	return err;
}

static const struct control_ops ops = {.command = on_command,
				       .services = on_services};

static void request(struct toxi *t, char *line)
{
	static const char letters[] = "GPTD";
	const char *m = *line ? strchr(letters, *line) : NULL;
	char *path = m ? line + 1 : line, *body;
	json_t *answer = NULL;
	int status;

	path += *path == ' ';
	body = path + strcspn(path, " ");
	if (*body)
		*body++ = '\0';
	if (!toxi_owns(path))
		return;
	status = toxi_answer(t, m ? 1u << (m - letters) : TOXI_POST, path, body,
			     strlen(body), &answer);
	assert(status >= 200 && status < 600);
	assert((status == 204) == !answer);
	assert(status < 400 ||
	       json_is_string(json_object_get(answer, "error")));
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toxi *t = toxi_new(&ops);
	char *text = malloc(size + 1), *at = text, *line;

	memcpy(text, data, size);
	text[size] = 0;
	names = json_object();
	while ((line = strsep(&at, "\n")))
		request(t, line);
	free(text);
	text = strdup("P /reset"); /* what is left goes at one stroke */
	request(t, text);
	assert(!json_object_size(names));
	free(text);
	json_decref(names);
	toxi_free(t);
	return 0;
}
