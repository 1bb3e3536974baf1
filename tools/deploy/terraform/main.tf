# SPDX-License-Identifier: Apache-2.0
# weir as one service of its own on ECS. Read on: door.tf (how it is reached), task.tf (what runs),
# roles.tf (what it may do), scaling.tf (how many), alarms.tf (what wakes somebody up).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  has_balancer  = var.discovery != "cloudmap"
  has_cloud_map = var.discovery != "nlb"
  is_ec2        = var.launch_type == "EC2"

  # "arn:aws:logs:eu-west-1:123456789012" and the like, without writing the partition down.
  arn = {
    for service in ["logs", "ssm"] : service => join(":", [
      "arn", data.aws_partition.current.partition, service, data.aws_region.current.name,
      data.aws_caller_identity.current.account_id
    ])
  }

  # Repositories may be in another account.
  ecr_arn = join(":", [
    "arn", data.aws_partition.current.partition, "ecr", data.aws_region.current.name
  ])

  # Where weir listens: one port for all of TCP, which it tells apart by the first bytes, and one
  # for each kind of datagram. These are three target groups of the five that a service may have.
  targets = {
    tcp    = { protocol = "TCP", port = 4317 }
    statsd = { protocol = "UDP", port = 8125 }
    xray   = { protocol = "UDP", port = 2000 }
  }

  # Where the balancer listens. 2001, because two listeners cannot share a port, and 2000 is taken
  # by the datagrams.
  listeners = {
    grpc     = { port = 4317, target = "tcp" }
    http     = { port = 4318, target = "tcp" }
    sampling = { port = 2001, target = "tcp" }
    statsd   = { port = 8125, target = "statsd" }
    xray     = { port = 2000, target = "xray" }
  }

  health_port = 13133

  config = var.config != null ? var.config : templatefile("${path.module}/weir.yaml.tftpl", {
    proxy_protocol     = var.proxy_protocol
    metric_namespace   = var.metric_namespace
    metric_log_group   = var.metric_log_group
    log_retention_days = var.log_retention_days
  })

  host = local.has_balancer ? aws_lb.door[0].dns_name : "${var.name}.${var.namespace_name}"
}
