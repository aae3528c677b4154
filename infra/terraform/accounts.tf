# Service accounts and their roles. Each role is granted on a single resource where that is possible. Grants are added
# to those of others (`_member`) and never replace them. The deploy flow owns the IAM policy of the service itself.

locals {
  accounts = {
    build    = "Builds GPU images of pagemill"
    run      = "The GPU service of pagemill: no role at all, because its weights are in the image"
    caller   = "Calls the GPU service of pagemill, and reads and writes documents"
    worker   = "Runs pagemill's flows from a Prefect work pool: the same access as caller"
    launcher = "Starts Cloud Run jobs for pagemill's flows, from a worker of the work pool cloud-run"
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
  for_each = merge(
    { for region, repository in google_artifact_registry_repository.images : "images in ${region}" => repository },
    { for region, repository in google_artifact_registry_repository.cache : "cache in ${region}" => repository },
  )

  location   = each.value.location
  repository = each.value.name
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

# worker: the Prefect server's password, if jobs get it from Secret Manager.

resource "google_secret_manager_secret_iam_member" "worker_reads" {
  count = var.api_auth_secret != "" ? 1 : 0

  secret_id = var.api_auth_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.pagemill["worker"].member

  depends_on = [google_project_service.needed]
}

# launcher: makes a job for each flow run, runs it, watches it, and deletes it with its executions.

resource "google_project_iam_custom_role" "launcher" {
  role_id     = "pagemillLauncher"
  title       = "pagemill launcher"
  description = "The permissions that a worker of Prefect's work pool needs to run flows as Cloud Run jobs"
  permissions = [
    "run.executions.delete",
    "run.executions.get",
    "run.executions.list",
    "run.jobs.create",
    "run.jobs.delete",
    "run.jobs.get",
    "run.jobs.run",
  ]

  depends_on = [google_project_service.needed]
}

resource "google_project_iam_member" "launcher" {
  project = var.project
  role    = google_project_iam_custom_role.launcher.name
  member  = google_service_account.pagemill["launcher"].member
}

resource "google_service_account_iam_member" "launcher_acts_as" {
  service_account_id = google_service_account.pagemill["worker"].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.pagemill["launcher"].member
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
    "logging.logEntries.list",
    "monitoring.timeSeries.list",
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

# Cloud Run asks whether whoever deploys an image may read it.
resource "google_artifact_registry_repository_iam_member" "image_readers" {
  for_each = {
    for pair in setproduct(["deployer", "launcher"], local.regions) : "${pair[0]} in ${pair[1]}" => pair
  }

  location   = google_artifact_registry_repository.images[each.value[1]].location
  repository = google_artifact_registry_repository.images[each.value[1]].name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.pagemill[each.value[0]].member
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

# Who may act as these accounts, from a laptop or from CI: by impersonation, because there are no keys.

resource "google_service_account_iam_member" "impersonates" {
  for_each = {
    for member in concat(
      setproduct(["deployer"], tolist(var.deployers), local.impersonation),
      setproduct(["launcher"], tolist(var.launchers), local.impersonation),
      setproduct(["caller"], tolist(var.callers), local.impersonation),
    ) : join(" ", member) => member
  }

  service_account_id = google_service_account.pagemill[each.value[0]].name
  role               = each.value[2]
  member             = each.value[1]
}

locals {
  impersonation = ["roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountOpenIdTokenCreator"]
}
