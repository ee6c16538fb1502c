"""Who a container is: its id from cgroup paths, and its description from the node's disk."""
