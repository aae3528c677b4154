# A new project has none of these. They are enabled without its quota (versions.tf), the first ones before all others: what
# is read with the project's quota (`data`) needs them, and waits for them.

locals {
  first_apis = [
    "cloudresourcemanager.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
  ]
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "sts.googleapis.com",
    ],
    var.billing_account != "" ? ["billingbudgets.googleapis.com"] : [],
    var.api_auth_secret != "" ? ["secretmanager.googleapis.com"] : [],
    var.kms_key != "" ? ["cloudkms.googleapis.com"] : [],
  )
}

resource "google_project_service" "first" {
  for_each = toset(local.first_apis)
  provider = google.without_quota_project

  service            = each.value
  disable_on_destroy = false # others in the project may use it
}

resource "google_project_service" "needed" {
  for_each = toset(local.apis)
  provider = google.without_quota_project

  service            = each.value
  disable_on_destroy = false

  depends_on = [google_project_service.first]
}

data "google_project" "this" {
  project_id = var.project

  depends_on = [google_project_service.first]
}

# Reading it creates it: a new project has no service agent of Cloud Storage.
data "google_storage_project_service_account" "this" {
  depends_on = [google_project_service.first]
}

locals {
  # Google makes these agents when the APIs are enabled.
  agents = {
    pubsub   = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    registry = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
    storage  = data.google_storage_project_service_account.this.member
  }
}
