import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

/** Each is a JSON object whose members the functions read as if they stood in their environment. */
export interface Secrets {
  readonly cursorKeys: CfnSecret;
  readonly linkKeys: CfnSecret;
  readonly orderLinkKeys: CfnSecret;
  readonly payment: CfnSecret;
}

export function addSecrets(scope: Construct, key: CfnKey): Secrets {
  return {
    cursorKeys: new CfnSecret(scope, 'CursorKeys', {
      description: 'What cursors and device tokens are sealed with, CURSOR_KEYS; two at a time while it is being changed',
      kmsKeyId: key.attrArn,
      generateSecretString: {
        secretStringTemplate: '{}',
        generateStringKey: 'CURSOR_KEYS',
        passwordLength: 64,
        excludePunctuation: true,
      },
    }),
    linkKeys: new CfnSecret(scope, 'LinkKeys', {
      description: 'What the links in mails about accounts are signed with, LINK_KEYS; two at a time while it is being changed',
      kmsKeyId: key.attrArn,
      generateSecretString: {
        secretStringTemplate: '{}',
        generateStringKey: 'LINK_KEYS',
        passwordLength: 64,
        excludePunctuation: true,
      },
    }),
    orderLinkKeys: new CfnSecret(scope, 'OrderLinkKeys', {
      description: 'What the links to orders in mails are signed with, ORDER_LINK_KEYS; two at a time while it is being changed',
      kmsKeyId: key.attrArn,
      generateSecretString: {
        secretStringTemplate: '{}',
        generateStringKey: 'ORDER_LINK_KEYS',
        passwordLength: 64,
        excludePunctuation: true,
      },
    }),
    payment: new CfnSecret(scope, 'PaymentSecrets', {
      description: 'STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS; put in by hand, until then no order can be placed',
      kmsKeyId: key.attrArn,
      // The generated secret is unknown to the provider, so every event is refused until the real one is set.
      generateSecretString: {
        secretStringTemplate: '{"STRIPE_SECRET_KEY":""}',
        generateStringKey: 'STRIPE_WEBHOOK_SECRETS',
        passwordLength: 64,
        excludePunctuation: true,
      },
    }),
  };
}
