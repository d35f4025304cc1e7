;; expect: invalid at prepare
;; Brings a memory for threads.
(component
  (core module (memory 1 1 shared)))
