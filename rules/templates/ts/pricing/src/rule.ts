/**
 * A price per unit that is lower at night, and never below the cost plus a margin.
 * configuration.schema.json says what the configuration holds.
 */
import { Refusal, configuration, log, micros, money } from '../sdk/js/index.js';
import type { PricedLine, PricingInput, UsageLine } from '../sdk/js/index.js';

/** What configuration.schema.json allows. Amounts are read by `micros`. */
interface Settings {
  meters?: Record<string, { day: unknown; night: unknown }>;
  margin_ppm?: unknown;
}

export function price(input: PricingInput): PricedLine[] {
  const settings = configuration<Settings>(input.configuration);
  return input.lines.map((line) => priceLine(settings, line));
}

function priceLine(settings: Settings, line: UsageLine): PricedLine {
  const meters = settings.meters ?? {};
  if (!Object.hasOwn(meters, line.meter)) {
    throw new Refusal('unsupported', `There is no price for \`${line.meter}\`.`);
  }
  const prices = meters[line.meter];
  const second = ((line.occurredAt % 86_400) + 86_400) % 86_400; // of the day, in UTC
  const day = second >= 6 * 3_600 && second < 22 * 3_600;
  const time = day ? 'by day' : 'at night';
  const unitPrice = day ? micros(prices.day, 'day') : micros(prices.night, 'night');
  log(`${line.meter} ${time}, cost ${money.format(line.cost)}`);

  const used = money.times(line.quantity, unitPrice);
  // The cost and its margin; a part of a micro-unit is rounded away from zero.
  const margin = micros(settings.margin_ppm ?? 0, 'margin_ppm');
  const least = money.add(line.cost, money.mulDiv(line.cost, margin, money.UNIT, 'up'));
  // A correction has a negative quantity and gives back what was charged for it.
  const amount = line.quantity < 0 ? Math.min(used, least) : Math.max(used, least);
  const items = [
    {
      description: `${line.meter} ${time}, ${money.format(unitPrice)} each`,
      quantity: line.quantity,
      amount: used,
    },
  ];
  if (amount !== used) {
    items.push({ description: 'Up to the least margin', quantity: 0, amount: money.add(amount, -used) });
  }
  return { amount, items, reason: `Used ${time}.` };
}
