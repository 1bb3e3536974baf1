# SPDX-License-Identifier: Apache-2.0
# How weir is reached: a load balancer, a private name, or both; and who may.

# A balancer can have security groups only if it was made with one.
resource "aws_security_group" "balancer" {
  count       = local.has_balancer ? 1 : 0
  name        = "${var.name}-balancer"
  description = "${var.name}: what the load balancer takes"
  vpc_id      = var.vpc_id
  tags        = var.tags

  dynamic "ingress" {
    for_each = local.listeners
    content {
      description = ingress.key
      protocol    = lower(local.targets[ingress.value.target].protocol)
      from_port   = ingress.value.port
      to_port     = ingress.value.port
      cidr_blocks = var.client_cidrs
    }
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# Datagrams arrive with the address of their sender, and clients of Cloud Map come straight here.
resource "aws_security_group" "task" {
  name        = "${var.name}-task"
  description = "${var.name}: what the tasks take"
  vpc_id      = var.vpc_id
  tags        = var.tags

  ingress {
    description = "OTLP and everything else that is TCP"
    protocol    = "tcp"
    from_port   = 4317
    to_port     = 4318
    cidr_blocks = var.client_cidrs
  }

  ingress {
    description = "X-Ray sampling calls"
    protocol    = "tcp"
    from_port   = 2000
    to_port     = 2000
    cidr_blocks = var.client_cidrs
  }

  ingress {
    description = "StatsD"
    protocol    = "udp"
    from_port   = local.targets.statsd.port
    to_port     = local.targets.statsd.port
    cidr_blocks = var.client_cidrs
  }

  ingress {
    description = "X-Ray segments"
    protocol    = "udp"
    from_port   = local.targets.xray.port
    to_port     = local.targets.xray.port
    cidr_blocks = var.client_cidrs
  }

  # TCP through the balancer, and its health checks, come from the balancer's own addresses.
  dynamic "ingress" {
    for_each = local.has_balancer ? [local.targets.tcp.port, local.health_port] : []
    content {
      description     = "from the load balancer"
      protocol        = "tcp"
      from_port       = ingress.value
      to_port         = ingress.value
      security_groups = [aws_security_group.balancer[0].id]
    }
  }

  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# --- a load balancer -----------------------------------------------------------------------------

resource "aws_lb" "door" {
  count                            = local.has_balancer ? 1 : 0
  name                             = var.name
  load_balancer_type               = "network"
  internal                         = true
  subnets                          = var.subnet_ids
  security_groups                  = [aws_security_group.balancer[0].id]
  enable_cross_zone_load_balancing = var.cross_zone
  tags                             = var.tags
}

resource "aws_lb_target_group" "task" {
  for_each    = { for key, target in local.targets : key => target if local.has_balancer }
  name        = "${var.name}-${each.key}"
  protocol    = each.value.protocol
  port        = each.value.port
  target_type = "ip"
  vpc_id      = var.vpc_id
  tags        = var.tags

  # ECS waits for so long before SIGTERM. New flows keep coming for about as long, whatever is
  # written here; with less, they would meet a task that is on its way out.
  deregistration_delay   = 120
  connection_termination = true

  # With the addresses of clients a task could not reach itself through the balancer. Of UDP they
  # are always kept.
  preserve_client_ip = each.value.protocol == "UDP"
  proxy_protocol_v2  = each.value.protocol == "TCP" && var.proxy_protocol

  health_check {
    protocol            = "HTTP"
    port                = tostring(local.health_port)
    path                = "/"
    interval            = 10
    timeout             = 6
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  # A task that drains says it is not ready; its connections are weir's to end, in order.
  dynamic "target_health_state" {
    for_each = each.value.protocol == "TCP" ? [1] : []
    content {
      enable_unhealthy_connection_termination = false
    }
  }
}

resource "aws_lb_listener" "door" {
  for_each          = { for key, door in local.listeners : key => door if local.has_balancer }
  load_balancer_arn = aws_lb.door[0].arn
  protocol          = local.targets[each.value.target].protocol
  port              = each.value.port
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.task[each.value.target].arn
  }
}

# --- a private name ------------------------------------------------------------------------------

resource "aws_service_discovery_private_dns_namespace" "name" {
  count = local.has_cloud_map ? 1 : 0
  name  = var.namespace_name
  vpc   = var.vpc_id
  tags  = var.tags
}

resource "aws_service_discovery_service" "name" {
  count = local.has_cloud_map ? 1 : 0
  name  = var.name
  tags  = var.tags

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.name[0].id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 15
    }
  }

  # ECS itself says whether a task is healthy, by the health check of the container.
  health_check_custom_config {
    failure_threshold = 1
  }
}
