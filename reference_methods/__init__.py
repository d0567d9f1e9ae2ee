"""Reference unlearners, auditors and training methods: ordinary plugins through the same door as strangers'."""
