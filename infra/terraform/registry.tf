# Images, each with a tag that is derived from its source and arguments, and deployed by digest only.
#
# Tags are immutable, and an image with such a tag is never deleted: the digest that serves is safe, and images pile up, at
# about 1.50 USD a month each. With `kept_images` tags are mutable, and images older than 90 days are deleted, all but that
# many of each kind. KEEP wins over DELETE. What an index refers to has no tag, and stays as long as the index.

locals {
  regions = toset(compact([var.region, var.second_region]))
}

resource "google_artifact_registry_repository" "images" {
  for_each = local.regions

  repository_id = var.repository
  location      = each.value
  format        = "DOCKER"
  description   = "GPU images of pagemill"
  kms_key_name  = var.kms_key != "" ? var.kms_key : null

  docker_config {
    immutable_tags = var.kept_images == 0
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  cleanup_policy_dry_run = false

  dynamic "cleanup_policies" {
    for_each = var.kept_images == 0 ? ["src-"] : []

    content {
      id     = "keep-what-may-serve"
      action = "KEEP"

      condition {
        tag_state    = "TAGGED"
        tag_prefixes = [cleanup_policies.value]
      }
    }
  }

  dynamic "cleanup_policies" {
    for_each = var.kept_images == 0 ? [] : [var.kept_images]

    content {
      id     = "keep-the-newest"
      action = "KEEP"

      most_recent_versions {
        keep_count = 3 * cleanup_policies.value # an image is three versions: index, image, provenance
      }
    }
  }

  dynamic "cleanup_policies" {
    for_each = var.kept_images == 0 ? [] : ["7776000s"] # 90 days, as the API returns them

    content {
      id     = "delete-old-images"
      action = "DELETE"

      condition {
        tag_state  = "TAGGED"
        older_than = cleanup_policies.value
      }
    }
  }

  cleanup_policies {
    id     = "delete-leftovers-of-builds"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "2592000s" # 30 days, as the API returns them
    }
  }

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.agents]
}

# Layers of earlier builds, under one tag that each build moves. Nothing from here is deployed.
resource "google_artifact_registry_repository" "cache" {
  for_each = local.regions

  repository_id = var.cache_repository
  location      = each.value
  format        = "DOCKER"
  description   = "Build cache of pagemill's GPU images"
  kms_key_name  = var.kms_key != "" ? var.kms_key : null

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "delete-old-caches"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "2592000s" # 30 days, as the API returns them
    }
  }

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.agents]
}
