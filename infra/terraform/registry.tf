# Images, each with a tag that is derived from its source and arguments. Tags are immutable.
#
# The digest that serves is never deleted: the only policy that deletes selects images without a tag, and every deployed
# image has one. KEEP also wins over DELETE. Tagged images stay until somebody deletes them.
resource "google_artifact_registry_repository" "images" {
  repository_id = var.repository
  location      = var.region
  format        = "DOCKER"
  description   = "GPU images of pagemill"

  docker_config {
    immutable_tags = true
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-what-may-serve"
    action = "KEEP"

    condition {
      tag_state    = "TAGGED"
      tag_prefixes = ["src-"]
    }
  }

  cleanup_policies {
    id     = "delete-leftovers-of-builds"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "30d"
    }
  }

  depends_on = [google_project_service.needed]
}

# Layers of earlier builds, under one tag that each build moves. Nothing from here is deployed.
resource "google_artifact_registry_repository" "cache" {
  repository_id = var.cache_repository
  location      = var.region
  format        = "DOCKER"
  description   = "Build cache of pagemill's GPU images"

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "delete-old-caches"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "30d"
    }
  }

  depends_on = [google_project_service.needed]
}
