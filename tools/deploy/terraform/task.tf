# SPDX-License-Identifier: Apache-2.0
# What runs: the configuration, the task, the service.

resource "aws_ssm_parameter" "config" {
  name        = "/${var.name}/config"
  description = "The configuration of weir; read when a task starts."
  type        = "String"
  value       = local.config
  tags        = var.tags
}

# What weir says of itself; the metrics that pass through it go to metric_log_group.
resource "aws_cloudwatch_log_group" "weir" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_ecs_task_definition" "weir" {
  family                   = var.name
  requires_compatibilities = [var.launch_type]
  # On EC2 too: each task has an address of its own, so that UDP ports never clash.
  network_mode       = "awsvpc"
  cpu                = tostring(var.task_cpu)
  memory             = tostring(var.task_memory)
  execution_role_arn = aws_iam_role.execution.arn
  task_role_arn      = aws_iam_role.task.arn
  tags               = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([{
    name      = "weir"
    image     = var.image
    essential = true
    # The limit of the container, which is what weir reads and limits itself by.
    memory                 = var.task_memory
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }

    portMappings = [
      { containerPort = 4317, protocol = "tcp" },
      { containerPort = 4318, protocol = "tcp" },
      { containerPort = 8125, protocol = "udp" },
      { containerPort = 2000, protocol = "udp" },
      { containerPort = 13133, protocol = "tcp" },
    ]

    environment = [
      # Fargate says the region by itself; on EC2 nothing promises it.
      { name = "AWS_REGION", value = data.aws_region.current.name },
      # Ten seconds less than stopTimeout: what is left is counted and said, not killed.
      { name = "WEIR_DRAIN_TIMEOUT", value = "110s" },
      # Of these it reads on for so long though nothing comes: clients pause between flushes, and
      # those that resolved a name go on sending to this task for a while.
      { name = "WEIR_SETTLE_TIME", value = "45s" },
      { name = "WEIR_LOG_FORMAT", value = "json" },
    ]

    # Another configuration is another revision, and so a deployment.
    dockerLabels = { "weir.config" = sha256(local.config) }

    # Read by the agent with the execution role, once, when the task starts.
    secrets = concat(
      [{ name = "AOT_CONFIG_CONTENT", valueFrom = aws_ssm_parameter.config.arn }],
      [for name, arn in var.secrets : { name = name, valueFrom = arn }],
    )

    healthCheck = {
      command     = ["CMD", "/healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 10
    }

    # The longest that Fargate grants.
    stopTimeout = 120

    # memlock: rings of io_uring, where the host's seccomp profile lets weir have them. Fargate
    # takes no other limit than nofile.
    ulimits = concat(
      [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }],
      local.is_ec2 ? [{ name = "memlock", softLimit = 67108864, hardLimit = 67108864 }] : [],
    )

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.weir.name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = var.name
        # A log that is slow must never hold up telemetry.
        "mode"            = "non-blocking"
        "max-buffer-size" = "4m"
      }
    }
  }])
}

resource "aws_ecs_service" "weir" {
  name                              = var.name
  cluster                           = var.cluster_name
  launch_type                       = var.launch_type
  platform_version                  = local.is_ec2 ? null : "1.4.0"
  task_definition                   = aws_ecs_task_definition.weir.arn
  desired_count                     = var.min_tasks
  health_check_grace_period_seconds = local.has_balancer ? 60 : null
  enable_ecs_managed_tags           = true
  propagate_tags                    = "SERVICE"
  tags                              = var.tags

  # New tasks first, old ones after; and back again where the new ones never get well.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.task
    content {
      container_name   = "weir"
      container_port   = load_balancer.value.port
      target_group_arn = load_balancer.value.arn
    }
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.name
    content {
      registry_arn = service_registries.value.arn
    }
  }

  dynamic "ordered_placement_strategy" {
    for_each = local.is_ec2 ? ["attribute:ecs.availability-zone", "instanceId"] : []
    content {
      type  = "spread"
      field = ordered_placement_strategy.value
    }
  }

  # Autoscaling owns the count.
  lifecycle {
    ignore_changes = [desired_count]

    precondition {
      condition     = !var.proxy_protocol || var.discovery == "nlb"
      error_message = "Clients that come straight to a task send no PROXY header."
    }
  }

  # A target group must hang on a listener before a service may have it.
  depends_on = [
    aws_lb_listener.door,
    aws_iam_role_policy.task,
    aws_iam_role_policy.execution,
  ]
}
