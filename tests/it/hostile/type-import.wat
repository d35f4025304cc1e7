;; expect: forbidden_import at prepare
;; Imports only a type; that is an import too.
(component
  (import "canopy:rules/types@1.0.0" (instance (type (list u8)) (export "t" (type (eq 0))))))
