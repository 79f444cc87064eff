"""The storage contract `v1`, which trainers and operators share: records, keys, errors and stores."""
