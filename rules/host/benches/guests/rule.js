// The rule of the benchmark in JavaScript: a price per unit, for each meter or for `*`.
const micros = (text) => {
  const [whole, fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(6, '0'));
};

export const pricingRule = {
  price(input) {
    const { meters } = JSON.parse(input.configuration);
    return input.lines.map((line) => {
      const price = (meters[line.meter] ?? meters['*']).unit_price;
      const amount = Number((BigInt(line.quantity) * micros(price)) / 1000000n);
      const items = [{ description: `${price} per 1`, quantity: line.quantity, amount }];
      return { amount, items, reason: '' };
    });
  },
};
