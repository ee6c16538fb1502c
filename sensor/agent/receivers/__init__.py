"""What others send to ``castoff normalize --config``: pushes over HTTPS and streams of Kafka."""
