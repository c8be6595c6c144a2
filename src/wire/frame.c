/* SPDX-License-Identifier: MIT */
/*
 * Reads the headers of a packet that is sent, and corrects them after a change.
 */
#include "wire/frame.h"

#include "internal.h"
#include "wire/build.h"

struct tuple frame_tuple(const uint8_t *ip, uint8_t family, uint32_t l4)
{
	return (struct tuple){.local = frame_src(ip, family),
			      .remote = frame_dst(ip, family),
			      .lport = get_be16(ip + l4 + TCP_AT_SPORT),
			      .rport = get_be16(ip + l4 + TCP_AT_DPORT)};
}

uint8_t frame_option(const uint8_t *tcp, uint32_t hlen, uint32_t *at)
{
	uint32_t i = *at;

	while (i < hlen && tcp[i] == TCPOPT_NOP)
		i++;
	*at = i;
	if (i + 1 >= hlen || tcp[i] == TCPOPT_EOL || tcp[i + 1] < 2 ||
	    i + tcp[i + 1] > hlen)
		return 0;
	return tcp[i + 1];
}

uint8_t frame_option_bit(const uint8_t *opt, uint8_t len)
{
	switch (opt[0]) {
	case TCPOPT_MSS:
		return OPT_HAS_MSS;
	case TCPOPT_WSCALE:
		return OPT_HAS_WSCALE;
	case TCPOPT_SACKOK:
		return OPT_HAS_SACKOK;
	case TCPOPT_TS:
		return OPT_HAS_TS;
	case TCPOPT_UTO:
		return OPT_HAS_UTO;
	case TCPOPT_TFO:
		return OPT_HAS_TFO;
	case TCPOPT_EXP:
		return len >= TCPOLEN_EXP_TFO_BASE &&
				       get_be16(opt + 2) == TCPOPT_EXP_TFO
			       ? OPT_HAS_TFO_EXP
			       : 0;
	default:
		return 0;
	}
}

uint16_t frame_tcp_sum(const uint8_t *ip, uint8_t family, uint32_t l4,
		       uint32_t hdr_len, const uint8_t *data, uint32_t len)
{
	struct ipaddr src = frame_src(ip, family), dst = frame_dst(ip, family);
	uint64_t sum = csum_pseudo(&src, &dst, PROTO_TCP, hdr_len - l4 + len);

	sum = csum_add(sum, ip + l4, hdr_len - l4);
	if (len)
		sum = csum_add(sum, data, len);
	return csum_fold(sum);
}

void frame_seal(uint8_t *ip, uint8_t family, uint32_t l4, uint32_t hdr_len,
		const uint8_t *data, uint32_t len)
{
	uint8_t *tcp = ip + l4;

	if (family == 4) {
		put_be16(ip + IPV4_AT_LEN, (uint16_t)(hdr_len + len));
		put_be16(ip + IPV4_AT_CSUM, 0);
		put_be16(ip + IPV4_AT_CSUM,
			 (uint16_t)~csum_fold(csum_add(0, ip, l4)));
	} else {
		put_be16(ip + IPV6_AT_PAYLOAD, (uint16_t)(hdr_len - l4 + len));
	}
	put_be16(tcp + TCP_AT_CSUM, 0);
	put_be16(tcp + TCP_AT_CSUM,
		 (uint16_t)~frame_tcp_sum(ip, family, l4, hdr_len, data, len));
}
