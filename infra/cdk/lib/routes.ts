import { HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';

import type { ApiFunctionName } from './function-names';

const { GET, POST, PUT, PATCH, DELETE } = HttpMethod;

/** Who answers what. */
export const ROUTES: Readonly<Record<ApiFunctionName, readonly (readonly [HttpMethod, string])[]>> = {
  Products: [
    [GET, '/products'],
    [GET, '/products/featured'],
    [GET, '/products/{productId}'],
    [GET, '/products/{productId}/description'],
    [GET, '/categories'],
    [GET, '/healthz'],
  ],
  ProductsAdmin: [
    [POST, '/admin/products'],
    [POST, '/admin/products/batch'],
    [PUT, '/admin/products/{productId}'],
    [PATCH, '/admin/products/{productId}'],
    [DELETE, '/admin/products/{productId}'],
    [PUT, '/admin/products/{productId}/description'],
    [POST, '/admin/products/{productId}/stock'],
    [GET, '/admin/categories'],
    [DELETE, '/admin/categories'],
    [POST, '/admin/categories/renames'],
    [GET, '/admin/categories/renames'],
    [GET, '/admin/categories/renames/{renameId}'],
  ],
  Cart: [
    [GET, '/cart'],
    [DELETE, '/cart'],
    [POST, '/cart/items'],
    [PUT, '/cart/items/{productId}'],
    [DELETE, '/cart/items/{productId}'],
  ],
  Orders: [
    [POST, '/orders'],
    [GET, '/orders'],
    [GET, '/orders/{orderId}'],
    [POST, '/orders/{orderId}/cancel'],
    [POST, '/payments/webhooks/{provider}'],
    [GET, '/admin/orders'],
    [GET, '/admin/orders/{orderId}'],
    [POST, '/admin/orders/{orderId}/ship'],
    [POST, '/admin/orders/{orderId}/deliver'],
    [POST, '/admin/orders/{orderId}/refund'],
  ],
  Sessions: [
    [POST, '/sessions/guest'],
    [POST, '/sessions'],
    [POST, '/sessions/refresh'],
    [GET, '/sessions'],
    [DELETE, '/sessions/current'],
    [DELETE, '/sessions/{sessionId}'],
    [DELETE, '/sessions'],
    [POST, '/users'],
    [GET, '/users/me'],
    [PATCH, '/users/me'],
    [GET, '/users/me/addresses'],
    [POST, '/users/me/addresses'],
    [GET, '/users/me/addresses/{addressId}'],
    [PUT, '/users/me/addresses/{addressId}'],
    [DELETE, '/users/me/addresses/{addressId}'],
  ],
};
