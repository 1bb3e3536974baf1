/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_stats — what the servers of one shard counted for themselves, published once per turn.
 *
 * tcp_front, http1_server, h2_server and grpc_server know nothing of receiver_stats; here their
 * totals become its rows. Calls that a grpc_server ended before anybody saw them enter the wire
 * book here, too.
 */
#pragma once

#include <stdint.h>

struct otlp_shard;

/* What of grpc_server_stats is in the wire book already; over all ports. */
struct otlp_booked {
    uint64_t refused_count;
    uint64_t spoiled_count;
};

/* On the shard's thread. */
void otlp_stats_publish(struct otlp_shard *shard);
