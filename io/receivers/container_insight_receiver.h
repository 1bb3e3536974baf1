/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_insight_receiver — CloudWatch Container Insights of an ECS instance (type
 * `awscontainerinsightreceiver`): how the host it runs on is doing, once per interval.
 *
 * A pull receiver: on the egress thread it asks who the host is (container_insight_ask), hands the
 * looking to the helper (container_insight_host), and makes metrics of two looks
 * (container_insight_build). Keys: container_insight_config.h.
 */
#pragma once

#include "core/base/defs.h"
#include "core/engine/config.h"
#include "io/receivers/receiver.h"

/*
 * Reads its keys and finishes the reader. 0 moves out a receiver that ops->close frees;
 * FAULT_CONFIG, -ENOMEM, or -ENAMETOOLONG for HOST_PROC and the like. `id` is borrowed for its
 * life.
 */
WEIR_MUST_USE int container_insight_receiver_new(struct config_reader *config, const char *id,
                                                 struct receiver **out);
