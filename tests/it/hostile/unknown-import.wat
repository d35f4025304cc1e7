;; expect: forbidden_import at prepare
;; Wants to see the environment.
(component
  (import "wasi:cli/environment@0.2.0" (instance
    (export "get-environment" (func (result (list (tuple string string))))))))
