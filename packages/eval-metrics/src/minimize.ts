/** Value and gradient at a point. */
export type Objective = (point: Float64Array) => { value: number; gradient: Float64Array };

/**
 * Minimum of a smooth convex function by L-BFGS (Nocedal and Wright 2006, algorithm 7.5): ten correction pairs,
 * step halved until the value falls enough (Armijo 1e-4).
 */
export function minimize(
  objective: Objective,
  start: Float64Array,
  { maxIterations, tolerance }: { maxIterations: number; tolerance: number },
): { point: Float64Array; value: number; converged: boolean; iterations: number } {
  let point = start;
  let { value, gradient } = objective(point);
  const pairs: { step: Float64Array; change: Float64Array; scale: number }[] = [];
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    if (largest(gradient) <= tolerance) return { point, value, converged: true, iterations: iteration };
    const direction = descent(gradient, pairs);
    const slope = dot(direction, gradient);
    let length = pairs.length === 0 ? Math.min(1, 1 / largest(gradient)) : 1;
    let next = move(point, direction, length);
    let result = objective(next);
    const enough = () =>
      result.value <= value + 1e-4 * length * slope ||
      // Near the minimum the fall drowns in rounding; the slope still tells (Hager and Zhang 2005).
      (Math.abs(result.value - value) <= 1e-13 * Math.abs(value) &&
        Math.abs(dot(direction, result.gradient)) <= 0.9 * Math.abs(slope));
    for (let halving = 0; !enough() && halving < 50; halving++) {
      length /= 2;
      next = move(point, direction, length);
      result = objective(next);
    }
    if (!enough()) return { point, value, converged: false, iterations: iteration };
    const step = subtract(next, point);
    const change = subtract(result.gradient, gradient);
    const curvature = dot(step, change);
    if (curvature > 1e-300) {
      pairs.push({ step, change, scale: 1 / curvature });
      if (pairs.length > 10) pairs.shift();
    }
    point = next;
    ({ value, gradient } = result);
  }
  return { point, value, converged: largest(gradient) <= tolerance, iterations: maxIterations };
}

/** Two-loop recursion: minus the inverse Hessian estimate times the gradient. */
function descent(
  gradient: Float64Array,
  pairs: { step: Float64Array; change: Float64Array; scale: number }[],
): Float64Array {
  const direction = gradient.map((value) => -value);
  const weights: number[] = [];
  for (const { step, change, scale } of [...pairs].reverse()) {
    const weight = scale * dot(step, direction);
    weights.push(weight);
    add(direction, change, -weight);
  }
  const newest = pairs.at(-1);
  if (newest) {
    const initial = 1 / (newest.scale * dot(newest.change, newest.change));
    for (let i = 0; i < direction.length; i++) direction[i]! *= initial;
  }
  for (const { step, change, scale } of pairs) add(direction, step, weights.pop()! - scale * dot(change, direction));
  return direction;
}

function move(point: Float64Array, direction: Float64Array, length: number): Float64Array {
  return point.map((value, i) => value + length * direction[i]!);
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}

function add(target: Float64Array, source: Float64Array, weight: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += weight * source[i]!;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function largest(values: Float64Array): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]!));
  return size;
}
