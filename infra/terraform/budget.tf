# Without requests the service runs no instance. An instance that keeps running costs about 34 USD a day: this alerts.
resource "google_billing_budget" "pagemill" {
  count = var.billing_account != "" ? 1 : 0

  billing_account = var.billing_account
  display_name    = "pagemill in ${var.project}"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  depends_on = [google_project_service.needed]
}
