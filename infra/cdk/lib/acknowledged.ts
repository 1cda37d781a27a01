import { Stack, Validations } from 'aws-cdk-lib';
import { HttpRoute } from 'aws-cdk-lib/aws-apigatewayv2';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import type { CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import type { Buckets } from './buckets';
import { FUNCTIONS } from './function-names';
import type { Roles } from './roles';
import type { Secrets } from './secrets';

/** What the AwsSolutions rules of cdk-nag ask for and is not so, each where it is not so, and why. */
export function acknowledge(of: { roles: Roles; buckets: Buckets; secrets: Secrets; api: HttpApi }): void {
  acknowledgeSecrets(of.secrets);
  acknowledgeRoutes(of.api);
  acknowledgeRoles(of.roles, of.buckets);
}

function acknowledgeSecrets({ cursorKeys, linkKeys, orderLinkKeys, payment }: Secrets): void {
  const rule = 'AwsSolutions-SMG4';
  because(cursorKeys, rule, 'A key seals cursors that live for a day; it is changed by hand, two keys at a time.');
  because(linkKeys, rule, 'A key signs links that live for a day; it is changed by hand, two keys at a time.');
  because(orderLinkKeys, rule, 'A key signs links that live for thirty days; it is changed by hand, two keys at a time.');
  because(payment, rule, 'Stripe makes these secrets, and they can be changed in its dashboard alone.');
}

/** Routes that somebody else adds to the API are not meant. */
function acknowledgeRoutes(api: HttpApi): void {
  const reason = 'The function itself checks the session or the signature, and most of a shop is open to guests.';
  for (const route of api.node.findAll().filter((child) => child instanceof HttpRoute)) {
    because(route, 'AwsSolutions-APIG4', reason);
  }
}

function acknowledgeRoles(roles: Roles, { descriptions, audit, deadLetters }: Buckets): void {
  const unnarrowable = 'The actions of X-Ray, and dynamodb:ListStreams, know no resources to be narrowed to.';
  for (const name of FUNCTIONS) because(roles[name], wildcard('Resource::*'), unnarrowable);
  const description = 'Every product can have a description, each of them an object of this bucket.';
  for (const name of ['Products', 'ProductsAdmin', 'Indexer'] as const) {
    because(roles[name], objectsOf(descriptions, 'descriptions/'), description);
  }
  const index = 'An index is files that are named by their content, each of them an object of this bucket.';
  because(roles.Search, objectsOf(descriptions, 'search/'), index);
  because(roles.Indexer, objectsOf(descriptions, 'search/'), index);
  const letter = 'Every record can be given up, each of them an object of this bucket.';
  because(roles.Notifications, objectsOf(deadLetters), letter);
  because(roles.Projections, objectsOf(deadLetters), letter);
  because(roles.Indexer, objectsOf(deadLetters), 'Every product can be given up, each as an object of this bucket.');
  because(roles.Projections, objectsOf(audit), 'Every change that is audited becomes an object of this bucket.');
}

function objectsOf(bucket: CfnBucket, folder = ''): string {
  return wildcard(`Resource::<${Stack.of(bucket).getLogicalId(bucket)}.Arn>/${folder}*`);
}

function wildcard(finding: string): string {
  return `AwsSolutions-IAM5[${finding}]`;
}

/** Said of the resource itself, so that it does not hold for what others put below its construct. */
function because(construct: Construct, id: string, reason: string): void {
  Validations.of(construct.node.defaultChild ?? construct).acknowledge({ id, reason });
}
