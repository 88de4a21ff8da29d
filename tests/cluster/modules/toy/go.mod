module paritygate.io/tests/cluster/toy

go 1.26.0
