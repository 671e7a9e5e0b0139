;; Its data does not fit its memory.
(component
    (core module $m
        (memory 1)
        (data (i32.const 65530) "more than fits")
        (func (export "nothing")))
    (core instance $i (instantiate $m))
    (func (export "run") (canon lift (core func $i "nothing")))
)
