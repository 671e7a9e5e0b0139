;; Never comes to its function: its start never ends.
(component
    (core module $m
        (func $forever (loop (br 0)))
        (start $forever)
        (func (export "nothing")))
    (core instance $i (instantiate $m))
    (func (export "run") (canon lift (core func $i "nothing")))
)
