;; Traps before its function is called.
(component
    (core module $m
        (func $trap (unreachable))
        (start $trap)
        (func (export "nothing")))
    (core instance $i (instantiate $m))
    (func (export "run") (canon lift (core func $i "nothing")))
)
