module doorstep.dev/integration/testbed/bed

go 1.25.0
