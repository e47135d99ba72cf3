;; The two passes of resizeArea (src/area.ts) in 32-bit floats. Addresses and lengths are in bytes.
;; After a change: npx tsx kernel/build.ts
(module
  (memory (export "memory") 1)

  ;; Rows of bytes from $from on, $length long each, are added up with the weights from $weights to $end, one per row.
  ;; Sixteen columns at a time: up to 15 bytes behind the last row are read, up to 15 floats behind the sum written.
  (func (export "joinBytes")
    (param $from i32) (param $length i32) (param $weights i32) (param $end i32) (param $to i32)
    (local $stop i32) (local $at i32) (local $k i32)
    (local $weight v128) (local $left v128) (local $right v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $stop (i32.add (local.get $from) (local.get $length)))
    (loop $columns
      (local.set $a (v128.const f32x4 0 0 0 0))
      (local.set $b (v128.const f32x4 0 0 0 0))
      (local.set $c (v128.const f32x4 0 0 0 0))
      (local.set $d (v128.const f32x4 0 0 0 0))
      (local.set $at (local.get $from))
      (local.set $k (local.get $weights))
      (loop $rows
        (local.set $weight (v128.load32_splat (local.get $k)))
        (local.set $left (v128.load8x8_u (local.get $at)))
        (local.set $right (v128.load8x8_u offset=8 (local.get $at)))
        (local.set $a (f32x4.add (local.get $a) (f32x4.mul (local.get $weight)
          (f32x4.convert_i32x4_u (i32x4.extend_low_i16x8_u (local.get $left))))))
        (local.set $b (f32x4.add (local.get $b) (f32x4.mul (local.get $weight)
          (f32x4.convert_i32x4_u (i32x4.extend_high_i16x8_u (local.get $left))))))
        (local.set $c (f32x4.add (local.get $c) (f32x4.mul (local.get $weight)
          (f32x4.convert_i32x4_u (i32x4.extend_low_i16x8_u (local.get $right))))))
        (local.set $d (f32x4.add (local.get $d) (f32x4.mul (local.get $weight)
          (f32x4.convert_i32x4_u (i32x4.extend_high_i16x8_u (local.get $right))))))
        (local.set $at (i32.add (local.get $at) (local.get $length)))
        (br_if $rows (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 4))) (local.get $end))))
      (v128.store (local.get $to) (local.get $a))
      (v128.store offset=16 (local.get $to) (local.get $b))
      (v128.store offset=32 (local.get $to) (local.get $c))
      (v128.store offset=48 (local.get $to) (local.get $d))
      (local.set $to (i32.add (local.get $to) (i32.const 64)))
      (br_if $columns (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 16))) (local.get $stop)))))

  ;; The same for rows of floats, four columns at a time.
  (func (export "joinFloats")
    (param $from i32) (param $length i32) (param $weights i32) (param $end i32) (param $to i32)
    (local $stop i32) (local $at i32) (local $k i32) (local $sum v128)
    (local.set $stop (i32.add (local.get $from) (local.get $length)))
    (loop $columns
      (local.set $sum (v128.const f32x4 0 0 0 0))
      (local.set $at (local.get $from))
      (local.set $k (local.get $weights))
      (loop $rows
        (local.set $sum (f32x4.add (local.get $sum)
          (f32x4.mul (v128.load32_splat (local.get $k)) (v128.load (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (local.get $length)))
        (br_if $rows (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 4))) (local.get $end))))
      (v128.store (local.get $to) (local.get $sum))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $columns (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 16))) (local.get $stop)))))

  ;; A joined row becomes a row of the result. For each pixel of it, $spans holds where its first input pixel is and where
  ;; its weights end; $pixel is the length of one pixel.
  (func (export "joinColumns")
    (param $spans i32) (param $end i32) (param $weights i32) (param $pixel i32) (param $to i32)
    (local $from i32) (local $at i32) (local $k i32) (local $last i32) (local $next i32) (local $sum f32)
    (loop $pixels
      (local.set $from (i32.load (local.get $spans)))
      (local.set $last (i32.load offset=4 (local.get $spans)))
      (local.set $next (i32.add (local.get $to) (local.get $pixel)))
      (loop $channels
        (local.set $sum (f32.const 0))
        (local.set $at (local.get $from))
        (local.set $k (local.get $weights))
        (loop $columns
          (local.set $sum (f32.add (local.get $sum) (f32.mul (f32.load (local.get $k)) (f32.load (local.get $at)))))
          (local.set $at (i32.add (local.get $at) (local.get $pixel)))
          (br_if $columns (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 4))) (local.get $last))))
        (f32.store (local.get $to) (local.get $sum))
        (local.set $from (i32.add (local.get $from) (i32.const 4)))
        (br_if $channels (i32.lt_u (local.tee $to (i32.add (local.get $to) (i32.const 4))) (local.get $next))))
      (local.set $weights (local.get $last))
      (br_if $pixels (i32.lt_u (local.tee $spans (i32.add (local.get $spans) (i32.const 8))) (local.get $end))))))
