# SPDX-License-Identifier: Apache-2.0
# A service that carried ADOT along in every task, after the move.
#
# Before, a module like this had a flag `use_adot_as_sidecar`. Where it was true, the task got a
# second container `aws-otel-collector` with CPU and memory of its own, the application a dependsOn
# on it and AWS_XRAY_DAEMON_ADDRESS=localhost:2000, and the task role the rights to write to X-Ray
# and CloudWatch. All of that is gone: the application says where weir is, and that is all.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

provider "aws" {
  region = var.region
}

# Once per VPC, usually in a stack of its own.
module "weir" {
  source       = "../.."
  cluster_name = var.cluster_name
  vpc_id       = var.vpc_id
  subnet_ids   = var.subnet_ids
  client_cidrs = var.client_cidrs
  image        = var.weir_image
}

resource "aws_ecs_task_definition" "application" {
  family                   = "application"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = var.application_execution_role_arn

  container_definitions = jsonencode([{
    name      = "application"
    image     = var.application_image
    essential = true
    environment = concat(
      [{ name = "OTEL_SERVICE_NAME", value = "application" }],
      module.weir.application_environment,
    )
  }])
}

resource "aws_ecs_service" "application" {
  name            = "application"
  cluster         = var.cluster_name
  launch_type     = "FARGATE"
  task_definition = aws_ecs_task_definition.application.arn
  desired_count   = 3

  network_configuration {
    subnets = var.subnet_ids
  }
}
