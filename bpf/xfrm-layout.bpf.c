/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* No program: its BTF holds what xfrm.h shares with TypeScript, and nothing else. */
#include "xfrm.h"

union layout {
	enum xfrm_direction xfrm_direction;
	struct xfrm_oam xfrm_oam;
};

union layout layout SEC(".layout");
