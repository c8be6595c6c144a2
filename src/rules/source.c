/* SPDX-License-Identifier: MIT */
/*
 * Finds the gateway's address towards a server: the source address of a
 * connected UDP socket, which the kernel's routing chooses.  No packet is sent.
 */
#include "rules/source.h"
#include "util/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t sockaddr_of(const struct endpoint *ep,
			     struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	uint16_t port = ep->port ? ep->port : 1;

	memset(ss, 0, sizeof(*ss));
	if (ipaddr_is_v4(&ep->addr)) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ep->addr.b + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ep->addr.b, 16);
	return sizeof(*in6);
}

/* Our address towards @to.  0 or -errno. */
static int source_towards(const struct endpoint *to, struct ipaddr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_of(to, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint8_t *in = (uint8_t *)&((struct sockaddr_in *)&ss)->sin_addr;
	const uint8_t *in6 =
		(uint8_t *)&((struct sockaddr_in6 *)&ss)->sin6_addr;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&ss, len) ||
	    getsockname(fd, (struct sockaddr *)&ss, &len))
		err = -errno;
	else if (ss.ss_family == AF_INET)
		*out = ipaddr_v4(in);
	else
		*out = ipaddr_v6(in6);
	close(fd);
	return err;
}

static void print_addr(FILE *f, const struct ipaddr *a)
{
	char text[ADDRESS_TEXT_MAX];

	fputs(address_print(a, text), f);
}

static int fail_route(const struct service *s, const struct endpoint *to,
		      const char *file, int err, FILE *errors)
{
	fprintf(errors, "%s: [service %s] source: gateway, but no way to ",
		file, s->name);
	print_addr(errors, &to->addr);
	fprintf(errors,
		": %s; allowed: a route to the server, or source = "
		"ADDRESS\n",
		strerror(-err));
	return -EINVAL;
}

static int fail_two(const struct service *s, const struct ipaddr *other,
		    const char *file, FILE *errors)
{
	fprintf(errors, "%s: [service %s] source: gateway, but that is both ",
		file, s->name);
	print_addr(errors, &s->source.addr);
	fputs(" and ", errors);
	print_addr(errors, other);
	fputs(", by server; allowed: one, or source = ADDRESS\n", errors);
	return -EINVAL;
}

static int service_resolve(struct service *s, const char *file, FILE *errors)
{
	uint32_t n = s->connect.port ? 1 : s->listen.n;
	const struct endpoint *to = s->connect.port ? &s->connect
						    : s->listen.ep;
	struct ipaddr a;
	int err;

	for (uint32_t i = 0; i < n; i++) {
		err = source_towards(&to[i], &a);
		if (err)
			return fail_route(s, &to[i], file, err, errors);
		if (i && !ipaddr_eq(&a, &s->source.addr))
			return fail_two(s, &a, file, errors);
		s->source.addr = a;
	}
	return 0;
}

int source_resolve(struct policy *p, const char *file, FILE *errors)
{
	int err = 0;

	for (uint32_t i = 0; i < p->nservice; i++) {
		struct service *s = &p->service[i];

		if (s->source.mode == SOURCE_GATEWAY &&
		    service_resolve(s, file, errors))
			err = -EINVAL;
	}
	return err;
}
