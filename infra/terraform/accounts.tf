# Service accounts and their roles. Each role is granted on a single resource where that is possible. Grants are added
# to those of others (`_member`) and never replace them. The deploy flow owns the IAM policy of the service itself.

locals {
  accounts = {
    build    = "Builds GPU images of pagemill"
    run      = "The GPU service of pagemill: no role at all, because its weights are in the image"
    caller   = "Calls the GPU service of pagemill, and reads and writes documents"
    worker   = "Runs pagemill's flows from a Prefect work pool: the same access as caller"
    deployer = "Deploys the GPU service of pagemill"
  }
}

resource "google_service_account" "pagemill" {
  for_each = local.accounts

  account_id   = "pagemill-${each.key}"
  display_name = "pagemill ${each.key}"
  description  = each.value

  depends_on = [google_project_service.needed]
}

# build: reads its source, writes images and cache, writes logs.

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.pagemill["build"].member
}

resource "google_artifact_registry_repository_iam_member" "build_writes" {
  for_each = {
    images = google_artifact_registry_repository.images.name
    cache  = google_artifact_registry_repository.cache.name
  }

  location   = var.region
  repository = each.value
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.pagemill["build"].member
}

resource "google_storage_bucket_iam_member" "build_reads" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.pagemill["build"].member
}

# caller and worker: read and write documents.

resource "google_storage_bucket_iam_member" "documents" {
  for_each = toset(["caller", "worker"])

  bucket = google_storage_bucket.documents.name
  role   = "roles/storage.objectUser"
  member = google_service_account.pagemill[each.value].member
}

# deployer: the permissions that the flow needs, and no others.

resource "google_project_iam_custom_role" "deployer" {
  role_id     = "pagemillDeployer"
  title       = "pagemill deployer"
  description = "The permissions that `pagemill deploy` needs"
  permissions = [
    "artifactregistry.repositories.get",
    "artifactregistry.tags.get",
    "cloudbuild.builds.create",
    "cloudbuild.builds.get",
    "cloudbuild.builds.update",
    "iam.serviceAccounts.get",
    "resourcemanager.projects.get",
    "run.operations.get",
    "run.revisions.get",
    "run.services.create",
    "run.services.delete",
    "run.services.get",
    "run.services.getIamPolicy",
    "run.services.setIamPolicy",
    "run.services.update",
    "serviceusage.services.get",
  ]

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "deployer" {
  project = var.project
  role    = google_project_iam_custom_role.deployer.name
  member  = google_service_account.pagemill["deployer"].member
}

resource "google_artifact_registry_repository_iam_member" "deployer_reads" {
  location   = var.region
  repository = google_artifact_registry_repository.images.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.pagemill["deployer"].member
}

resource "google_storage_bucket_iam_member" "deployer_uploads" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])

  bucket = google_storage_bucket.source.name
  role   = each.value
  member = google_service_account.pagemill["deployer"].member
}

resource "google_service_account_iam_member" "deployer_acts_as" {
  for_each = toset(["build", "run"])

  service_account_id = google_service_account.pagemill[each.value].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.pagemill["deployer"].member
}

# Who may act as the deployer, from a laptop or from CI: by impersonation, because there are no keys.

resource "google_service_account_iam_member" "deployers" {
  for_each = {
    for pair in setproduct(var.deployers, [
      "roles/iam.serviceAccountTokenCreator",
      "roles/iam.serviceAccountOpenIdTokenCreator",
    ]) : "${pair[0]} ${pair[1]}" => pair
  }

  service_account_id = google_service_account.pagemill["deployer"].name
  role               = each.value[1]
  member             = each.value[0]
}
