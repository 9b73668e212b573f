/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses: into the 16 bytes of a tuple, compared, and how far they reach. */
#pragma once

#include "types.h"

INLINE void addr_from_v4(struct addr *a, __be32 v4)
{
	a->w[0] = 0;
	a->w[1] = 0;
	a->w[2] = bpf_htonl(0xffff);
	a->w[3] = v4;
}

INLINE void addr_from_v6(struct addr *a, const struct in6_addr *v6)
{
	__builtin_memcpy(a, v6, sizeof(*a));
}

INLINE bool v4_link_scope(__be32 dst)
{
	__u32 d = bpf_ntohl(dst);

	/* 224.0.0.0/4, limited broadcast and 169.254.0.0/16 (RFC 3927) */
	return d >> 28 == 0xe || d == 0xffffffff || d >> 16 == 0xa9fe;
}

INLINE bool v6_link_scope(const struct in6_addr *dst)
{
	/* ff00::/8, fe80::/10 */
	return dst->s6_addr[0] == 0xff ||
	       (dst->s6_addr[0] == 0xfe && (dst->s6_addr[1] & 0xc0) == 0x80);
}

INLINE bool link_scope(const struct addr *a)
{
	/* fe80::/10 and 169.254.0.0/16 */
	return (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000) ||
	       (!a->w[0] && !a->w[1] && a->w[2] == bpf_htonl(0xffff) &&
		(a->w[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000));
}

INLINE bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

/* Multicast, broadcast, fe80::/10: no kernel routes it. 169.254.0.0/16 it does. */
INLINE bool never_routed(const struct addr *a)
{
	__u32 first = bpf_ntohl(a->w[0]), v4 = bpf_ntohl(a->w[3]);

	if (a->w[0] || a->w[1] || a->w[2] != bpf_htonl(0xffff))
		return first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6;
	return v4 >> 28 == 0xe || v4 == 0xffffffff;
}
