# Uploads: Cloud Storage announces each object that is written below `uploads_prefix`, and `pagemill watch` reads it. What is
# not acknowledged comes again, later each time, and after 100 times goes to the topic for undelivered messages.

resource "google_pubsub_topic" "uploads" {
  for_each = toset(["pagemill-uploads", "pagemill-uploads-undelivered"])

  name         = each.value
  kms_key_name = var.kms_key != "" ? var.kms_key : null

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.agents]
}

locals {
  uploads     = google_pubsub_topic.uploads["pagemill-uploads"]
  undelivered = google_pubsub_topic.uploads["pagemill-uploads-undelivered"]
}

resource "google_pubsub_topic_iam_member" "storage_announces" {
  topic  = local.uploads.name
  role   = "roles/pubsub.publisher"
  member = local.agents.storage
}

resource "google_storage_notification" "uploads" {
  bucket             = google_storage_bucket.documents.name
  topic              = local.uploads.id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = var.uploads_prefix

  depends_on = [google_pubsub_topic_iam_member.storage_announces] # Cloud Storage checks that it may publish
}

resource "google_pubsub_subscription" "uploads" {
  name  = "pagemill-uploads"
  topic = local.uploads.id

  ack_deadline_seconds       = 600       # the longest; the watcher extends it while it gathers
  message_retention_duration = "604800s" # a week in which nobody watches loses nothing

  expiration_policy {
    ttl = "" # never
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = local.undelivered.id
    max_delivery_attempts = 100 # the most: more than half a day without a Prefect server
  }
}

# Undelivered messages stay for a week: gcloud pubsub subscriptions pull pagemill-uploads-undelivered
resource "google_pubsub_subscription" "undelivered" {
  name  = "pagemill-uploads-undelivered"
  topic = local.undelivered.id

  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves undelivered messages: it acknowledges them here and publishes them there.

resource "google_pubsub_topic_iam_member" "pubsub_sets_aside" {
  topic  = local.undelivered.name
  role   = "roles/pubsub.publisher"
  member = local.agents.pubsub
}

resource "google_pubsub_subscription_iam_member" "readers" {
  for_each = {
    pubsub = local.agents.pubsub
    worker = google_service_account.pagemill["worker"].member
  }

  subscription = google_pubsub_subscription.uploads.name
  role         = "roles/pubsub.subscriber"
  member       = each.value
}
