# Alerts about the GPU service, by mail. Those about numbers are queries in PromQL, because only those can be made before the
# service has measured anything. There is no metric of verified revisions. But only `pagemill deploy` records them, so whoever
# else changes the service may leave one that is not: the audit log, which is always on, says who it was.

locals {
  of_the_service = "monitored_resource=\"cloud_run_revision\", service_name=\"${var.service}\""
  of_errors      = "${local.of_the_service}, response_code_class=\"5xx\""

  alerts = {
    instances = {
      says  = "more than ${var.max_instances} instances for an hour"
      query = "sum(run_googleapis_com:container_instance_count{${local.of_the_service}}) > ${var.max_instances}"
      hour  = true
      do    = "Two revisions are warm: `gcloud run services describe ${var.service} --region=${var.region}` shows where requests go, and minimum instances."
    }
    gpu_hours = {
      says  = "more than ${var.gpu_hours_a_day} GPU hours in 24 hours"
      query = "sum(increase(run_googleapis_com:container_billable_instance_time{${local.of_the_service}}[1d])) > ${var.gpu_hours_a_day * 3600}"
      hour  = false
      do    = "About 1.42 USD an hour. A batch of this size, requests that keep the service awake, or minimum instances: docs/operations.md."
    }
    errors = {
      says = "more than ${var.error_percent} % of the requests of half an hour answered with 5xx"
      query = join(" ", [
        "sum(increase(run_googleapis_com:request_count{${local.of_errors}}[30m]))",
        "/ sum(increase(run_googleapis_com:request_count{${local.of_the_service}}[30m])) > ${var.error_percent / 100}",
        "and sum(increase(run_googleapis_com:request_count{${local.of_the_service}}[30m])) > 20",
      ])
      hour = false
      do   = "Some 503 and 504 belong to a cold start. The log: `gcloud run services logs read ${var.service} --region=${var.region}`."
    }
  }
}

resource "google_monitoring_notification_channel" "mail" {
  for_each = var.alert_emails

  display_name = "pagemill: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }

  depends_on = [google_project_service.needed]
}

resource "google_monitoring_alert_policy" "service" {
  for_each = length(var.alert_emails) > 0 ? local.alerts : {}

  display_name          = "pagemill: ${each.value.says}"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.mail : channel.name]

  conditions {
    display_name = each.value.says

    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.hour ? "3600s" : "0s"
      evaluation_interval       = "300s"
      disable_metric_validation = true
    }
  }

  documentation {
    content   = each.value.do
    mime_type = "text/markdown"
  }
}

resource "google_monitoring_alert_policy" "changed_by_others" {
  count = length(var.alert_emails) > 0 ? 1 : 0

  display_name          = "pagemill: ${var.service} was changed by others than pagemill-deployer"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.mail : channel.name]

  conditions {
    display_name = "the revision that serves may not be verified"

    condition_matched_log {
      filter = join(" AND ", [
        "log_id(\"cloudaudit.googleapis.com/activity\")",
        "resource.type=\"cloud_run_revision\"",
        "resource.labels.service_name=\"${var.service}\"",
        "protoPayload.methodName=~\"Services.(Create|Replace|Update)Service$\"",
        "protoPayload.authenticationInfo.principalEmail!=\"${google_service_account.pagemill["deployer"].email}\"",
      ])
      label_extractors = {
        who = "EXTRACT(protoPayload.authenticationInfo.principalEmail)"
      }
    }
  }

  alert_strategy {
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content   = "`pagemill doctor` says whether the revision that serves is a verified one. If it is not: `pagemill deploy`."
    mime_type = "text/markdown"
  }
}
