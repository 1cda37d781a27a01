/** The functions that answer requests. */
export const API_FUNCTIONS = ['Products', 'ProductsAdmin', 'Cart', 'Orders', 'Search', 'Sessions'] as const;
export type ApiFunctionName = (typeof API_FUNCTIONS)[number];

/** These, and those behind the stream and the schedules. */
export const FUNCTIONS = [...API_FUNCTIONS, 'Notifications', 'Projections', 'Sweeper', 'Indexer'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** A binary of the workspace. */
export type Binary =
  | 'products'
  | 'products-admin'
  | 'cart'
  | 'orders'
  | 'search'
  | 'sessions'
  | 'notifications'
  | 'projections'
  | 'sweeper'
  | 'indexer';
