;; A pricing rule by hand: each line costs twice its quantity. The host fills its memory with the input through
;; `cabi_realloc`; the answer goes behind it. A quantity whose double is out of range is refused.
(module
  (memory (export "memory") 32)
  (global $free (mut i32) (i32.const 1024))

  ;; Takes `size` bytes; nothing is ever given back, since each call has a fresh store.
  (func $allocate (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.xor (i32.sub (local.get $align) (i32.const 1)) (i32.const -1))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (call $allocate (local.get $align) (local.get $size)))

  (func (export "canopy:rules/pricing-rule@1.0.0#price")
    (param $seller i32) (param $seller_length i32)
    (param $currency i32) (param $currency_length i32)
    (param $configuration i32) (param $configuration_length i32)
    (param $accounts i32) (param $accounts_length i32)
    (param $lines i32) (param $lines_length i32)
    (result i32)
    (local $answer i32) (local $priced i32) (local $index i32) (local $line i32) (local $quantity i64) (local $out i32)
    ;; result<list, rule-error>: the case, then pointer and length.
    (local.set $answer (call $allocate (i32.const 8) (i32.const 16)))
    ;; A priced line has 24 bytes: amount, items, reason.
    (local.set $priced (call $allocate (i32.const 8) (i32.mul (local.get $lines_length) (i32.const 24))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $index) (local.get $lines_length)))
        ;; A usage line has 80 bytes; its quantity is at 16.
        (local.set $line (i32.add (local.get $lines) (i32.mul (local.get $index) (i32.const 80))))
        (local.set $quantity (i64.load offset=16 (local.get $line)))
        (if (i64.eq (local.get $quantity) (i64.const 5000000000))
          (then (;when large;)))
        (if (i64.gt_u
              (i64.add (local.get $quantity) (i64.const 4503599627370496))
              (i64.const 9007199254740992))
          (then
            ;; Case 2 of rule-error: `failed`, with an empty text.
            (i32.store8 (local.get $answer) (i32.const 1))
            (i32.store8 offset=4 (local.get $answer) (i32.const 2))
            (return (local.get $answer))))
        (local.set $out (i32.add (local.get $priced) (i32.mul (local.get $index) (i32.const 24))))
        (i64.store (local.get $out) (i64.mul (local.get $quantity) (i64.const 2)))
        (i32.store offset=8 (local.get $out) (i32.const 0))
        (i32.store offset=12 (local.get $out) (i32.const 0))
        (i32.store offset=16 (local.get $out) (i32.const 0))
        (i32.store offset=20 (local.get $out) (i32.const 0))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $next)))
    (i32.store8 (local.get $answer) (i32.const 0))
    (i32.store offset=4 (local.get $answer) (local.get $priced))
    (i32.store offset=8 (local.get $answer) (local.get $lines_length))
    (local.get $answer)))
