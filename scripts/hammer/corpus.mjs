import { wat2wasm } from '../../index.mjs'

/** Modules for what runs without `module-smith`, each with other parts of the language. */
const texts = [
  `(module (import "env" "step" (func $step (param i32) (result i32))) (memory (export "memory") 1 4)
    (global (export "global") (mut i32) (i32.const 7)) (table (export "table") 2 8 externref)
    (func (export "run") (param $n i32) (result i32) (local $i i32)
      (loop $l (local.set $i (i32.add (local.get $i) (call $step (local.get $n))))
        (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
      (local.get $i))
    (data (i32.const 8) "some text") (data "passive"))`,
  `(module (type $t (func (param i64 f32) (result f64))) (table (export "t") 4 4 funcref) (elem (i32.const 1) $a $b)
    (func $a (type $t) (f64.promote_f32 (local.get 1))) (func $b (result i32) (i32.const 3))
    (func (export "call") (param i32) (result f64)
      (call_indirect (type $t) (i64.const 1) (f32.const 2.5) (local.get 0)))
    (func (export "many") (param i32) (result i32 i64 f32) (local.get 0) (i64.const 5) (f32.const 0.1))
    (func (export "switch") (param i32) (result i32)
      (block $a (block $b (block $c (br_table $a $b $c (local.get 0))) (return (i32.const 1)))
        (return (i32.const 2))) (i32.const 3)))`,
  `(module (memory (export "m") 1) (func (export "simd") (param i32) (result i32)
      (i32x4.extract_lane 2 (i32x4.mul (v128.load (local.get 0)) (i32x4.splat (local.get 0)))))
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "trunc") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
    (func (export "div") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1))))`,
  `(module (import "env" "ref" (func $ref (param externref) (result externref)))
    (global $g (export "g") (mut externref) (ref.null extern)) (table $t (export "t") 3 externref)
    (func (export "keep") (param externref) (result externref)
      (global.set $g (call $ref (local.get 0))) (table.set $t (i32.const 1) (global.get $g)) (table.get $t (i32.const 1)))
    (func (export "growTable") (param externref) (result i32) (table.grow $t (local.get 0) (i32.const 2)))
    (func $start (drop (call $ref (ref.null extern)))) (start $start))`,
  `(module (func $even (export "even") (param i32) (result i32)
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
        (else (return_call $odd (i32.sub (local.get 0) (i32.const 1))))))
    (func $odd (param i32) (result i32)
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
        (else (return_call $even (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "spin") (loop $l (br $l))) (func $deep (export "deep") (call $deep)))`,
  `(module (type $pair (struct (field (mut i32)) (field i64))) (type $list (array (mut i8))) (tag $e (param i32))
    (memory i64 1) (memory $second 1)
    (func (export "gc") (param i32) (result i32)
      (struct.get $pair 0 (struct.new $pair (local.get 0) (i64.const 1))))
    (func (export "array") (param i32) (result i32) (array.get_u $list (array.new_default $list (i32.and (local.get 0) (i32.const 0xfff))) (i32.const 3)))
    (func (export "catch") (param i32) (result i32)
      (block $h (result i32) (try_table (catch $e $h) (throw $e (local.get 0))) (i32.const 0)))
    (func (export "second") (result i32) (i32.load $second (i32.const 4))))`,
]

/** Their bytes. */
export const corpus = texts.map((text) => wat2wasm(text))
