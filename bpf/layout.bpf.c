/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * No program: its BTF holds every enum, struct and map of maps.h, for
 * tools/gen-layout. What a map does not name is named here.
 */
#include "maps.h"

union layout {
	enum limits limits;
	enum drop_reason drop_reason;
	enum special_spi special_spi;
	enum iface_role iface_role;
	enum rule_side rule_side;
	enum hop_kind hop_kind;
	enum rule_action rule_action;
	enum attach_kind attach_kind;
	enum port_side port_side;
	enum hop_flags hop_flags;
	enum path_flags path_flags;
	enum ef_flags ef_flags;
	enum rule_flags rule_flags;
	enum event_kind event_kind;
	enum offload offload;
	enum verdict verdict;
	enum service_flags service_flags;
	enum verdict_counter verdict_counter;
	struct event event;
};

union layout layout SEC(".layout");
