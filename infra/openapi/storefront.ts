// A small storefront client, typed by the OpenAPI document alone: a list, a cart, a checkout, and errors that are
// distinguished by their code. `cargo xtask openapi` compiles it with `tsc --strict` and runs it against the local stack.

import type { components, operations } from "onetill-api";

type Schemas = components["schemas"];
type Problem = Schemas["ProblemDetails"];
type Cart = Schemas["CartResponse"];
type Order = Schemas["OrderResponse"];
type ProductQuery = NonNullable<operations["listProducts"]["parameters"]["query"]>;

/** An answer that is an error. Compare `problem.code`, then its members are known. */
export class ShopError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export class Shop {
  constructor(
    private readonly url: string,
    private token?: string,
  ) {}

  async openGuestSession(): Promise<void> {
    const opened = await this.send<Schemas["TokenResponse"]>("POST", "/sessions/guest");
    this.token = opened.token;
  }

  /** Every product of a query, page after page. */
  async *products(query: ProductQuery): AsyncGenerator<Schemas["ProductCardResponse"]> {
    let cursor: string | null = null;
    do {
      const parameters = new URLSearchParams();
      for (const [name, value] of Object.entries({ ...query, ...(cursor === null ? {} : { cursor }) })) {
        parameters.set(name, String(value));
      }
      const page: Schemas["ProductListResponse"] = await this.send("GET", `/products?${parameters}`);
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  addToCart(item: Schemas["AddItemRequest"]): Promise<Cart> {
    return this.send("POST", "/cart/items", item);
  }

  /** `key` is chosen once for each checkout, and sent again with every retry of it. */
  placeOrder(order: Schemas["PlaceOrderRequest"], key: string): Promise<Order> {
    return this.send("POST", "/orders", order, { "Idempotency-Key": key });
  }

  private async send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const sent = new Headers(headers);
    if (this.token !== undefined) sent.set("Authorization", `Bearer ${this.token}`);
    if (body !== undefined) sent.set("Content-Type", "application/json");
    for (let tries = 3; ; tries -= 1) {
      const answer = await fetch(this.url + path, { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      if (answer.ok) return (await answer.json()) as T;
      const problem = (await answer.json()) as Problem;
      if (problem.code !== "busy" || tries === 0) throw new ShopError(problem);
      const seconds = Number(answer.headers.get("Retry-After") ?? 1);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    }
  }
}

export function price({ amount, currency }: Schemas["Money"]): string {
  const format = new Intl.NumberFormat("en", { style: "currency", currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** What to show a customer whose checkout failed. Each code has its own members, which the types know. */
export function explain(problem: Problem): string {
  switch (problem.code) {
    case "price_changed":
      return `The total is ${price(problem.total)} now.`;
    case "out_of_stock":
      return (problem.products ?? []).map(({ productId, available }) => `${productId}: ${available} left`).join(", ");
    case "payment_declined":
    case "payment_expired":
      return `Order ${problem.orderId} was not paid.`;
    case "order_state_conflict":
      return `The order is ${problem.state}.`;
    case "address_invalid":
    case "name_invalid":
    case "email_invalid":
      return problem.errors.map(({ field, detail }) => `${field}: ${detail}`).join("\n");
    case "rate_limited":
      return "Too many attempts; wait a little.";
    default:
      return problem.detail;
  }
}

/** A state that a later version adds is a compile error here, not an empty label. */
export function label(state: Order["state"]): string {
  switch (state) {
    case "pending_payment":
    case "payment_unknown":
      return "Waiting for the payment";
    case "confirmed":
      return "Paid";
    case "shipped":
      return "On its way";
    case "delivered":
      return "Delivered";
    case "cancelled":
      return "Cancelled";
  }
}

/** Buys the cheapest product of a shop, and shows what happens where the total is not the one that was shown. */
export async function main(url: string): Promise<string[]> {
  const lines: string[] = [];
  const shop = new Shop(url);
  await shop.openGuestSession();
  for await (const product of shop.products({ sort: "price", limit: 20 })) {
    if (product.soldOut) continue;
    const cart = await shop.addToCart({ productId: product.productId, quantity: 1 });
    const key = crypto.randomUUID();
    const order: Schemas["PlaceOrderRequest"] = {
      payment: { token: "tok_visa" },
      contact: { email: "ann@example.com" },
      shippingAddress: { recipient: "Ann Smith", line1: "1 Harbour Street", city: "Bristol", country: "GB" },
      expectedTotal: cart.subtotal,
    };
    try {
      await shop.placeOrder({ ...order, expectedTotal: { ...cart.subtotal, amount: 1 } }, crypto.randomUUID());
    } catch (error) {
      if (!(error instanceof ShopError)) throw error;
      lines.push(explain(error.problem));
    }
    const placed = await shop.placeOrder(order, key);
    lines.push(`${product.name}: ${price(placed.total)}. ${label(placed.state)}`);
    break;
  }
  return lines;
}
