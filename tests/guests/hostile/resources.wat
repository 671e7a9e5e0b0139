;; Makes resources of its own without end: the host keeps a handle for each.
(component
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing))
    (core module $m
        (import "" "new" (func $new (param i32) (result i32)))
        (func (export "hoards") (loop (drop (call $new (i32.const 1))) (br 0))))
    (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
    (func (export "hoards") (canon lift (core func $i "hoards")))
)
