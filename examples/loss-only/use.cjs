require('@tensorflow/tfjs-backend-cpu');
const { infoNce } = require('@medalign/losses');
const tf = require('@tensorflow/tfjs-core');

const images = tf.tensor2d([
  [1, 0],
  [0, 1],
]);
const texts = tf.tensor2d([
  [1, 0],
  [0, 1],
]);
const { value, grad } = tf.valueAndGrad((x) => infoNce(x, texts, { temperature: 1, directions: 'mean' }))(images);
console.log(JSON.stringify({ value: value.dataSync()[0], gradient: [...grad.dataSync()] }));
